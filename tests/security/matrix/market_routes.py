"""Routes of the market."""

from __future__ import annotations

# The market. Lists are open and narrowed: nobody is shown another's orders, leases or nodes (CANARIES).
# Bodies are checked before rights here, so others get a refusal of any kind for what is the owner's.
MARKET_ROUTES = """
    POST   api/market/v1/agent/enrol                              barred
    POST   api/market/v1/agent/report                             barred
    POST   api/market/v1/agent/heartbeat                          barred
    POST   api/market/v1/agent/poll                               barred
    POST   api/market/v1/agent/events                             barred
    POST   api/market/v1/agent/logs                               barred
    GET    api/market/v1/tickers                                  all
    GET    api/market/v1/products                                 all
    GET    api/market/v1/products/<str:slug>                      all
    GET    api/market/v1/products/<str:slug>/book                 all
    GET    api/market/v1/products/<str:slug>/trades               all
    GET    api/market/v1/products/<str:slug>/candles              all
    GET    api/market/v1/products/<str:slug>/ticker               all
    GET    api/market/v1/offers                                   all
    GET    api/market/v1/quote                                    all
    GET    api/market/v1/orders                                   trader
    POST   api/market/v1/orders                                   trader
    POST   api/market/v1/orders/bulk                              trader
    POST   api/market/v1/orders/cancel-all                        trader
    POST   api/market/v1/orders/cancel-after                      trader
    GET    api/market/v1/fills                                    trader
    GET    api/market/v1/orders/<row_id:order_id>                    trader
    PATCH  api/market/v1/orders/<row_id:order_id>                    trader
    DELETE api/market/v1/orders/<row_id:order_id>                    trader
    GET    api/market/v1/orders/<row_id:order_id>/explain            trader
    GET    api/market/v1/leases                                   trader
    GET    api/market/v1/leases/<row_id:lease_id>                    trader
    GET    api/market/v1/leases/<row_id:lease_id>/events             trader
    POST   api/market/v1/leases/<row_id:lease_id>/work               trader
    DELETE api/market/v1/leases/<row_id:lease_id>/work               trader
    GET    api/market/v1/leases/<row_id:lease_id>/logs               trader
    POST   api/market/v1/leases/<row_id:lease_id>/end                trader
    POST   api/market/v1/leases/<row_id:lease_id>/notice             trader
    POST   api/market/v1/leases/<row_id:lease_id>/reclaim            trader
    POST   api/market/v1/leases/<row_id:lease_id>/sell-back          trader
    GET    api/market/v1/agent/tunnel                             barred
    GET    api/market/v1/agent/wakeups                            barred
    GET    api/market/v1/leases/<row_id:lease_id>/ports           trader
    GET    api/market/v1/leases/<row_id:lease_id>/ports/<slug:port>         trader
    POST   api/market/v1/leases/<row_id:lease_id>/ports/<slug:port>/links   trader
    GET    api/market/v1/balance                                  trader
    GET    api/market/v1/statement                                trader
    GET    api/market/v1/statement.csv                            trader
    POST   api/market/v1/deposits                                 barred
    POST   api/market/v1/withdrawals                              barred
    POST   api/market/v1/bonds                                    trader
    POST   api/market/v1/bonds/release                            trader
    POST   api/market/v1/providers                                trader
    GET    api/market/v1/nodes                                    trader
    POST   api/market/v1/nodes                                    trader
    GET    api/market/v1/nodes/<row_id:node_id>                      trader
    DELETE api/market/v1/nodes/<row_id:node_id>                      trader
    POST   api/market/v1/halt                                     barred
    POST   api/market/v1/resume                                   barred
    GET    market                                                 all
    GET    market/ticker                                          all
    GET    market/fit                                             all
    GET    market/quote                                           all
    GET    market/products/<str:slug>                             all
    GET    market/products/<str:slug>/news                        all
    GET    market/orders                                          signed
    GET    market/orders/<row_id:order_id>                           holder
    POST   market/orders/<row_id:order_id>/cancel                    holder
    GET    market/portfolio                                       signed
    GET    market/portfolio/statement.csv                         signed
    GET    market/leases                                          signed
    GET    market/leases/<row_id:lease_id>                           holder
    POST   market/leases/<row_id:lease_id>/act                       holder
    GET    market/provider                                        signed
    POST   market/provider/register                               signed
    POST   market/provider/processes                              signed
    POST   market/provider/relisting                              signed
    POST   market/provider/nodes/<row_id:node_id>/retire             holder
"""
# What does not end by itself. The stream of a product is open to all (tests/wire/test_market_stream.py); who
# may use a port of a lease is tested with the tunnels (tests/compute_market), and who may follow an account
# in tests/compute_market/api/test_account_stream.py.
ELSEWHERE = r"""
    api/market/v1/account/stream
    api/market/v1/products/<str:slug>/stream
    api/market/v1/leases/<row_id:lease_id>/ports/<slug:port>/pipe
    ^leases/(?P<lease_id>[1-9]\d{0,17})/ports/(?P<port>[a-z0-9][a-z0-9-]{0,40})(?:/.*)?$
"""
