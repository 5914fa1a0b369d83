"""The market's API, mounted at /api/market/v1."""

from django.urls import URLPattern, URLResolver, include, path

from compute_market.api import accounts, feeds, leases, orders, ports, products, supply

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("compute_market.api.agent")),
    *products.urlpatterns,
    *feeds.urlpatterns,
    *orders.urlpatterns,
    *leases.urlpatterns,
    *ports.urlpatterns,
    *accounts.urlpatterns,
    *supply.urlpatterns,
]
