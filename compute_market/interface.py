"""The one module of the market that houses above it may import: use cases, reads and facts.

Every use case takes the actor and asks for its rights itself. Amounts are micro-credits, prices micro-credits
per GPU-hour, times aware datetimes. Signals are sent inside the transaction in which the fact becomes true.
"""

from __future__ import annotations

from compute_market.leases import access as _access
from compute_market.leases import selectors as _leases
from compute_market.leases import services as _leasing
from compute_market.leases.access import Way
from compute_market.leases.errors import (
    LeaseNotFound,
    LeaseNotRunning,
    PortNotServed,
    RunnerNotAllowed,
    WorkNotFound,
)
from compute_market.leases.models import Lease, Work
from compute_market.leases.signals import lease_moved, leases_opened, work_moved
from compute_market.leases.states import State as LeaseState
from compute_market.ledger import selectors as _ledger
from compute_market.ledger.errors import CapReached, InsufficientFunds, NotAMember, TradeScopeMissing
from compute_market.ledger.selectors import Balance
from compute_market.matching.errors import OrderInvalid, OrderNotFound, OrderNotOpen
from compute_market.matching.intake import services as _trading
from compute_market.matching.intake.services import OrderRequest
from compute_market.matching.models import Order
from compute_market.matching.signals import shard_drained
from compute_market.matching.views import marketdata as _marketdata
from compute_market.matching.views import selectors as _orders
from compute_market.matching.views.marketdata import Quote
from compute_market.offers import selectors as _offers
from compute_market.offers.models import Product
from foundation.clock import database_now

# Orders
place_order = _trading.place_order
amend_order = _trading.amend_order
cancel_order = _trading.cancel_order
orders = _orders.orders
get_order = _orders.get_order
get_order_by_client_id = _orders.get_order_by_client_id
quotes = _marketdata.quotes
products = _offers.products
get_product = _offers.get_product
balances = _ledger.balances

# Leases
held_leases = _leases.held_leases
get_held_lease = _leases.get_held_lease
leases_of_order = _leases.leases_of_order
end_early = _leasing.end_early

# Works
run_work = _leasing.run_work
stop_work = _leasing.stop_work
newest_work = _leases.newest_work
read_log = _leases.read_log

# Tunnels: the way to a port that a work serves, a signed grant for its bearer, and where it is
way_to = _access.way_to
grant_for = _access.grant_for
address_of = _access.address_of
path_of = _access.path_of

__all__ = [
    "Balance",
    "CapReached",
    "InsufficientFunds",
    "Lease",
    "LeaseNotFound",
    "LeaseNotRunning",
    "LeaseState",
    "NotAMember",
    "Order",
    "OrderInvalid",
    "OrderNotFound",
    "OrderNotOpen",
    "OrderRequest",
    "PortNotServed",
    "Product",
    "Quote",
    "RunnerNotAllowed",
    "TradeScopeMissing",
    "Way",
    "Work",
    "WorkNotFound",
    "address_of",
    "amend_order",
    "balances",
    "cancel_order",
    "database_now",
    "end_early",
    "get_held_lease",
    "get_order",
    "get_order_by_client_id",
    "get_product",
    "grant_for",
    "held_leases",
    "lease_moved",
    "leases_of_order",
    "leases_opened",
    "newest_work",
    "orders",
    "path_of",
    "place_order",
    "products",
    "quotes",
    "read_log",
    "run_work",
    "shard_drained",
    "stop_work",
    "way_to",
    "work_moved",
]
