"""The market's API, mounted at /api/market/v1."""

from django.urls import URLPattern, URLResolver, include, path, re_path

from compute_market.api import account_stream, accounts, feeds, fills, leases, orders, ports, products, supply
from compute_market.api.base import UnknownCall

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
    # Last: an address that no call has is answered here, in the form of this door's refusals.
    re_path("", UnknownCall.as_view()),
]
