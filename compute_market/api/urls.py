"""The market's API, mounted at /api/market/v1."""

from django.urls import URLPattern, URLResolver, include, path

from compute_market.api import account_stream, accounts, feeds, fills, leases, orders, ports, products, supply

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("compute_market.api.agent")),
    *products.urlpatterns,
    *feeds.urlpatterns,
    *orders.urlpatterns,
    *fills.urlpatterns,
    *leases.urlpatterns,
    *ports.urlpatterns,
    *accounts.urlpatterns,
    *account_stream.urlpatterns,
    *supply.urlpatterns,
]
