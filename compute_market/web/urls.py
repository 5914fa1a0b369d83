"""The pages of the market."""

from django.urls import URLPattern, URLResolver, path, re_path

from compute_market.web.views import leasing, money, ports, supply, trading

app_name = "market_web"
PORT = r"^leases/(?P<lease_id>[1-9]\d{0,17})/ports/(?P<port>[a-z0-9][a-z0-9-]{0,40})(?:/.*)?$"

urlpatterns: list[URLPattern | URLResolver] = [
    path("market", trading.index),
    path("market/ticker", trading.ticker),
    path("market/fit", trading.fit),
    path("market/quote", trading.quote),
    path("market/products/<str:slug>", trading.product),
    path("market/products/<str:slug>/news", trading.news),
    path("market/orders", trading.orders),
    path("market/orders/<row_id:order_id>", trading.order),
    path("market/orders/<row_id:order_id>/cancel", trading.cancel_order),
    path("market/portfolio", money.portfolio),
    path("market/portfolio/statement.csv", money.statement),
    path("market/leases", leasing.index),
    path("market/leases/<row_id:lease_id>", leasing.show),
    path("market/leases/<row_id:lease_id>/act", leasing.act),
    re_path(PORT, ports.visit),
    path("market/agent", supply.agent),
    path("market/provider", supply.console),
    path("market/provider/register", supply.register),
    path("market/provider/processes", supply.allow_processes),
    path("market/provider/relisting", supply.relist_cancelled),
    path("market/provider/nodes/<row_id:node_id>/retire", supply.retire_node),
]
