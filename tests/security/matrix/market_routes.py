"""Routes of the market, who calls them, and what comes of it (`test_market_matrix.py`).

A variant behind `#` is another body or another thing that is asked for: `#team` an organization's account or
order, `#bought` an order that the capped token placed, `#forged` a signature that is not the agent's,
`#session` a browser's visit of what programs reach with tokens.
"""

from __future__ import annotations

# Olga holds the lease and the order, owns the node, and is the organization's admin. Of those who have
# sessions, pages are asked by session; tokens do not open pages.
MARKET_CALLERS = (
    "anonymous",
    "stranger",  # somebody else's token with the scope write
    "rival",  # their token with the scope trade; on pages their session
    "write",  # olga's token with the scope write
    "read",  # olga's token with the scope read
    "trade",  # olga's token with the scope trade; on pages her session
    "deploy",  # olga's capped token with the scope deploy
    "grant",  # olga's fine-grained token for her whole namespace, with the scope trade
    "narrow",  # olga's fine-grained token for one repository, with the scope trade
    "member",  # who reads in the organization; scope trade, or session
    "clerk",  # who writes in the organization; scope trade, or session
    "provider",  # on whose node the lease is; scope trade, or session
    "operator",  # staff; scope trade, or session
)
MARKET_SESSIONS = ("anonymous", "rival", "trade", "member", "clerk", "provider", "operator")

MARKET_EXPECTED = """
                anonymous stranger rival write read trade deploy grant narrow member clerk provider operator
    all         yes       yes      yes   yes   yes  yes   yes    yes   yes    yes    yes   yes      yes
    nobody      no        no       no    no    no   no    no     no    no     no     no    no       no
    operator    no        no       no    no    no   no    no     no    no     no     no    no       yes
    lists       no        no       yes   no    no   yes   yes    yes   yes    yes    yes   yes      yes
    wholelists  no        no       yes   no    no   yes   no     yes   yes    yes    yes   yes      yes
    buy         no        no       yes   no    no   yes   yes    yes   no     yes    yes   yes      yes
    spend       no        no       yes   no    no   yes   no     yes   no     yes    yes   yes      yes
    opened      no        no       no    no    no   yes   no     yes   no     no     no    yes      no
    provide     no        no       no    no    no   yes   no     yes   no     no     no    yes      no
    team_buy    no        no       no    no    no   yes   yes    no    no     no     yes   no       no
    team_spend  no        no       no    no    no   yes   no     no    no     no     yes   no       no
    order       no        no       gone  no    no   yes   gone   yes   gone   gone   gone  gone     gone
    team_order  no        no       gone  no    no   yes   gone   gone  gone   gone   yes   gone     gone
    bought      no        no       gone  no    no   yes   yes    yes   gone   gone   gone  gone     gone
    seen        no        no       gone  no    no   yes   gone   yes   gone   gone   gone  yes      gone
    held        no        no       gone  no    no   yes   gone   yes   gone   gone   gone  gone     gone
    resold      no        no       gone  no    no   yes   no     yes   gone   gone   gone  gone     gone
    supplied    no        no       gone  no    no   gone  no     gone  gone   gone   gone  yes      gone
    node        no        no       gone  no    no   yes   no     yes   gone   gone   gone  gone     gone
"""

# The page of a port: programs send a token, browsers have a session.
PORT_PAGE = r"^leases/(?P<lease_id>[1-9]\d{0,17})/ports/(?P<port>[a-z0-9][a-z0-9-]{0,40})(?:/.*)?$"

MARKET_ROUTES = """
    # Agents: the signature is the permission. The key of an enrolment is in its body.
    POST   api/market/v1/agent/enrol                              nobody
    POST   api/market/v1/agent/report                             nobody
    POST   api/market/v1/agent/report#forged                      nobody
    POST   api/market/v1/agent/heartbeat                          nobody
    POST   api/market/v1/agent/heartbeat#forged                   nobody
    POST   api/market/v1/agent/poll                               nobody
    POST   api/market/v1/agent/poll#forged                        nobody
    POST   api/market/v1/agent/events                             nobody
    POST   api/market/v1/agent/events#forged                      nobody
    POST   api/market/v1/agent/logs                               nobody
    POST   api/market/v1/agent/logs#forged                        nobody
    GET    api/market/v1/agent/wakeups                            nobody
    GET    api/market/v1/agent/wakeups#forged                     nobody

    # The public record
    GET    api/market/v1/tickers                                  all
    GET    api/market/v1/products                                 all
    GET    api/market/v1/products/<str:slug>                      all
    GET    api/market/v1/products/<str:slug>/book                 all
    GET    api/market/v1/products/<str:slug>/trades               all
    GET    api/market/v1/products/<str:slug>/candles              all
    GET    api/market/v1/products/<str:slug>/ticker               all
    GET    api/market/v1/products/<str:slug>/stream               all
    GET    api/market/v1/offers                                   all
    GET    api/market/v1/quote                                    all

    # Trading. Lists are narrowed: nobody is shown another's orders, leases or nodes (MARKET_CANARIES).
    GET    api/market/v1/orders                                   lists
    GET    api/market/v1/fills                                    lists
    POST   api/market/v1/orders                                   buy
    POST   api/market/v1/orders#sell                              spend
    POST   api/market/v1/orders#team                              team_buy
    POST   api/market/v1/orders/bulk                              lists
    POST   api/market/v1/orders/cancel-all                        spend
    POST   api/market/v1/orders/cancel-all#team                   team_spend
    POST   api/market/v1/orders/cancel-after                      spend
    POST   api/market/v1/orders/cancel-after#team                 team_spend
    GET    api/market/v1/orders/<row_id:order_id>                 order
    GET    api/market/v1/orders/<row_id:order_id>#team            team_order
    GET    api/market/v1/orders/<row_id:order_id>#bought          bought
    PATCH  api/market/v1/orders/<row_id:order_id>                 order
    PATCH  api/market/v1/orders/<row_id:order_id>#team            team_order
    PATCH  api/market/v1/orders/<row_id:order_id>#bought          bought
    DELETE api/market/v1/orders/<row_id:order_id>                 order
    DELETE api/market/v1/orders/<row_id:order_id>#team            team_order
    DELETE api/market/v1/orders/<row_id:order_id>#bought          bought
    GET    api/market/v1/orders/<row_id:order_id>/explain         order

    # Leases
    GET    api/market/v1/leases                                   lists
    GET    api/market/v1/leases/<row_id:lease_id>                 seen
    GET    api/market/v1/leases/<row_id:lease_id>/events          seen
    POST   api/market/v1/leases/<row_id:lease_id>/work            held
    DELETE api/market/v1/leases/<row_id:lease_id>/work            held
    GET    api/market/v1/leases/<row_id:lease_id>/logs            held
    POST   api/market/v1/leases/<row_id:lease_id>/end             held
    POST   api/market/v1/leases/<row_id:lease_id>/sell-back       resold
    POST   api/market/v1/leases/<row_id:lease_id>/notice          supplied
    POST   api/market/v1/leases/<row_id:lease_id>/reclaim         operator
    GET    api/market/v1/leases/<row_id:lease_id>/ports           held
    GET    api/market/v1/leases/<row_id:lease_id>/ports/<slug:port>         held
    POST   api/market/v1/leases/<row_id:lease_id>/ports/<slug:port>/links   held
    GET    api/market/v1/leases/<row_id:lease_id>/ports/<slug:port>/pipe    held
    GET    leases/<row_id:lease_id>/ports/<slug:port>/            held
    POST   leases/<row_id:lease_id>/ports/<slug:port>/            held
    GET    leases/<row_id:lease_id>/ports/<slug:port>/#session    held

    # Money
    GET    api/market/v1/balance                                  buy
    GET    api/market/v1/balance?account=orga                     team_buy
    GET    api/market/v1/account/stream                           spend
    GET    api/market/v1/account/stream?account=orga              team_spend
    GET    api/market/v1/statement                                opened
    GET    api/market/v1/statement?account=orga                   team_spend
    GET    api/market/v1/statement.csv                            opened
    GET    api/market/v1/statement.csv?account=orga               team_spend
    POST   api/market/v1/deposits                                 operator
    POST   api/market/v1/withdrawals                              operator
    POST   api/market/v1/bonds                                    spend
    POST   api/market/v1/bonds#team                               team_spend
    POST   api/market/v1/bonds/release                            operator

    # Supply
    POST   api/market/v1/providers                                spend
    POST   api/market/v1/providers#team                           team_spend
    GET    api/market/v1/nodes                                    wholelists
    POST   api/market/v1/nodes                                    provide
    GET    api/market/v1/nodes/<row_id:node_id>                   node
    DELETE api/market/v1/nodes/<row_id:node_id>                   node
    POST   api/market/v1/halt                                     operator
    POST   api/market/v1/resume                                   operator

    # Pages
    GET    market                                                 all
    GET    market/ticker                                          all
    GET    market/fit                                             all
    GET    market/quote                                           all
    GET    market/agent                                           all
    HEAD   market/agent                                           all
    GET    market/products/<str:slug>                             all
    POST   market/products/<str:slug>                             wholelists
    GET    market/products/<str:slug>/news                        all
    GET    market/orders                                          wholelists
    GET    market/orders/<row_id:order_id>                        order
    GET    market/orders/<row_id:order_id>#team                   team_order
    POST   market/orders/<row_id:order_id>                        order
    POST   market/orders/<row_id:order_id>#team                   team_order
    POST   market/orders/<row_id:order_id>/cancel                 order
    POST   market/orders/<row_id:order_id>/cancel#team            team_order
    GET    market/portfolio                                       wholelists
    POST   market/portfolio                                       operator
    GET    market/portfolio/statement.csv                         opened
    GET    market/leases                                          wholelists
    GET    market/leases/<row_id:lease_id>                        seen
    POST   market/leases/<row_id:lease_id>#run                    held
    POST   market/leases/<row_id:lease_id>#start                  held
    POST   market/leases/<row_id:lease_id>#sell                   held
    POST   market/leases/<row_id:lease_id>#notice                 supplied
    POST   market/leases/<row_id:lease_id>/act                    held
    POST   market/leases/<row_id:lease_id>/act#stop               held
    GET    market/provider                                        wholelists
    POST   market/provider                                        wholelists
    POST   market/provider/register                               wholelists
    POST   market/provider/processes                              opened
    POST   market/provider/relisting                              opened
    POST   market/provider/nodes/<row_id:node_id>/retire          node
"""

_ORDER = {
    "client_order_id": "asked",
    "side": "buy",
    "product": "{slug}",
    "gpus": 1,
    "end": "2199-01-01T00:00:00Z",
    "limit_price": 6_000_000,
}
_MONEY = {"account": "{self}", "amount_micros": 1, "key": "asked"}

# Bodies that are well formed. Those of callers without the right are refused whatever they are (BAD_BODIES).
MARKET_BODIES: dict[str, dict[str, object]] = {
    "POST api/market/v1/agent/enrol": {"key": "wrong", "instance": "machine"},
    "POST api/market/v1/orders": _ORDER,
    "POST api/market/v1/orders#sell": _ORDER | {"side": "sell"},
    "POST api/market/v1/orders#team": _ORDER | {"account": "orga"},
    "POST api/market/v1/orders/bulk": {"orders": [_ORDER]},
    "POST api/market/v1/orders/cancel-all#team": {"account": "orga"},
    "POST api/market/v1/orders/cancel-after": {"seconds": 60},
    "POST api/market/v1/orders/cancel-after#team": {"seconds": 60, "account": "orga"},
    "PATCH api/market/v1/orders/<row_id:order_id>": {"gpus": 1},
    "PATCH api/market/v1/orders/<row_id:order_id>#team": {"gpus": 1},
    "PATCH api/market/v1/orders/<row_id:order_id>#bought": {"gpus": 1},
    "POST api/market/v1/leases/<row_id:lease_id>/work": {"command": ["true"]},
    "POST api/market/v1/leases/<row_id:lease_id>/sell-back": {
        "client_order_id": "back",
        "gpus": 1,
        "limit_price": 6_000_000,
    },
    "POST api/market/v1/leases/<row_id:lease_id>/notice": {
        "preempt_at": "2199-01-01T00:00:00Z",
        "reason": "repair",
    },
    "POST api/market/v1/leases/<row_id:lease_id>/reclaim": {"reason": "abuse"},
    "POST api/market/v1/deposits": _MONEY,
    "POST api/market/v1/withdrawals": _MONEY,
    "POST api/market/v1/bonds": _MONEY,
    "POST api/market/v1/bonds#team": _MONEY | {"account": "orga"},
    "POST api/market/v1/bonds/release": _MONEY,
    "POST api/market/v1/providers#team": {"account": "orga"},
    "POST api/market/v1/nodes": {"product": "{slug}", "name": "rack", "gpus": 8},
    "POST market/portfolio": {"way": "in", "account": "{self}", "amount": 1, "key": "asked"},
    "POST market/leases/<row_id:lease_id>#run": {"act": "run", "command": "true"},
    "POST market/leases/<row_id:lease_id>#start": {"act": "start", "starter": "jupyterlab"},
    "POST market/leases/<row_id:lease_id>#sell": {
        "act": "sell",
        "gpus": 1,
        "price": 6,
        "client_order_id": "b",
    },
    "POST market/leases/<row_id:lease_id>#notice": {"act": "notice", "minutes": 60, "reason": "repair"},
    "POST market/leases/<row_id:lease_id>/act#stop": {"act": "stop"},
}

# Fields that are wrong or unknown; and (media type, body): no fields, no object, no JSON, another medium.
BAD_FIELDS = {"seconds": "x", "orders": 1, "gpus": -1, "amount_micros": None, "bogus": "y"}
BAD_BODIES = (
    ("application/json", "{}"),
    ("application/json", "[1]"),
    ("application/json", '{"'),
    ("text/csv", "a=b"),
)
# Fields that say what is asked for, and so whose right is asked.
NAMING = ("act", "account")
# The body itself is the permission (a key), or decides which right is needed (a capped token buys only).
BODY_DECIDES = frozenset({"POST api/market/v1/agent/enrol", "POST api/market/v1/orders#sell"})

# Its ticket is proved where the connection waits (tests/compute_market/tunnels/test_streams.py).
ELSEWHERE = """
    api/market/v1/agent/tunnel
"""
