"""Previews of orders, for the pages on which traders review them. Reads only.

A program sends an order and gets the first refusal. A person mends a form, so all refusals come at once, with
the price, the funds and the offers that the order would meet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef
from django.utils.translation import gettext as _

from compute_market.leases.models import Lease
from compute_market.ledger import selectors as ledger
from compute_market.ledger.errors import InsufficientFunds
from compute_market.matching import limits
from compute_market.matching.errors import OrderInvalid, TooManyOrders
from compute_market.matching.intake import listings, terms
from compute_market.matching.intake.acceptance import wants_one_node
from compute_market.matching.intake.terms import OrderRequest
from compute_market.matching.models import Listing, Order
from compute_market.matching.views import marketdata, node_offers
from compute_market.matching.views.node_offers import Offered
from compute_market.offers import selectors as offers
from compute_market.offers.models import Node, Product
from foundation.clock import floor_minute
from foundation.errors import Refusal
from hub.interface import Principal

FAR_PERCENT = 150
"""A limit of so many percent of the best offer is probably a slip of the finger."""


@dataclass(frozen=True, slots=True)
class BuyPreview:
    """A buy as it would stand now. Money in micro-credits, prices per GPU-hour.

    `offered_gpus`: GPUs over the whole window at the limit or better, of one node if the order wants one.
    `best_micros`: the cheapest offer over the window, None without any.
    """

    start: datetime
    end: datetime
    cost: marketdata.Cost
    available_micros: int
    offered_gpus: int
    best_micros: int | None
    is_far_off: bool
    problems: Sequence[Refusal]

    @property
    def minutes(self) -> int:
        return int((self.end - self.start).total_seconds()) // 60

    @property
    def gpu_hours(self) -> float:
        return self.cost.gpu_minutes / 60


def preview_buy(
    *, actor: Principal, namespace_id: int, product: Product, request: OrderRequest, now: datetime
) -> BuyPreview:
    """A buy of a namespace, reviewed before it is placed. Raises: AccountNotFound for a foreign namespace."""
    listing = _listing_of(product)
    problems = terms.problems(request, listing=listing, now=now)
    start = request.start or floor_minute(now)
    cost = marketdata.worst_cost(
        gpus=request.gpus, start=start, end=request.end, price_micros=request.price_micros_per_gpu_hour
    )
    main, *_bond = ledger.balances(actor=actor, namespace_id=namespace_id)
    if cost.total_micros > main.available_micros:
        problems.append(
            InsufficientFunds(available_micros=main.available_micros, needed_micros=cost.total_micros)
        )
    live = Order.objects.live().filter(account__namespace=namespace_id, account__kind="main").count()
    if live >= limits.open_orders_max():
        problems.append(TooManyOrders(limit=limits.open_orders_max()))
    offered, best = _offered(listing, request, start, now)
    limit = request.price_micros_per_gpu_hour
    return BuyPreview(
        start=start,
        end=request.end,
        cost=cost,
        available_micros=main.available_micros,
        offered_gpus=offered,
        best_micros=best,
        is_far_off=best is not None and limit * 100 > best * FAR_PERCENT,
        problems=problems,
    )


def problems_of_sell(
    *, product: Product, request: OrderRequest, source: Node | Lease, now: datetime
) -> list[Refusal]:
    """All that a sell of a node or of a lease would be refused for, as far as its own terms tell."""
    lease = source if isinstance(source, Lease) else None
    found = terms.problems(request, listing=_listing_of(product), now=now, source=lease)
    if request.gpus > source.gpus:
        text = _("only {gpus} are available.") if lease is None else _("the lease has only {gpus}.")
        found.append(OrderInvalid(field="gpus", reason=text.format(gpus=source.gpus)))
    return found


def problems_of_amendment(*, order: Order, price_micros: int, gpus: int) -> list[Refusal]:
    """All that is wrong with the new price and the new number of GPUs of an order, by their fields."""
    listing = _listing_of(order.product)
    found = []
    checks: list[Callable[[], object]] = [lambda: terms.check_gpus(gpus, listing)]
    if price_micros != order.price_micros_per_gpu_hour or gpus > order.gpus:
        checks.append(lambda: terms.check_price(price_micros, listing))
    for check in checks:
        try:
            check()
        except Refusal as refusal:
            found.append(refusal)
    return found


def _listing_of(product: Product) -> Listing:
    """The product's terms, with the GPUs of its largest node; not saved if it has none yet."""
    sized = Listing.objects.annotate(node_size=offers.node_size(OuterRef("product")))
    found = sized.select_related("product").filter(product=product).first()
    if found is not None:
        return found
    low, high = listings.band(
        index_micros=product.reference_price_micros,
        band_bps=product.band_bps,
        tick_micros=product.tick_micros,
    )
    return Listing(product=product, lowest_micros=low, highest_micros=high)


def _offered(
    listing: Listing, request: OrderRequest, start: datetime, now: datetime
) -> tuple[int, int | None]:
    """(GPUs at the limit or better, cheapest price) over the window of a buy."""
    limit, product = request.price_micros_per_gpu_hour, listing.product
    if not wants_one_node(request, listing):
        asks = marketdata.book(product, start=start, end=request.end).asks
        return sum(gpus for price, gpus in asks if price <= limit), asks[0][0] if asks else None
    covering: list[Offered] = [
        each
        for each in node_offers.of_products([product.pk], now=now).get(product.pk, [])
        if each.start <= start and each.end >= request.end
    ]
    affordable = [each for each in covering if each.price_micros_per_gpu_hour <= limit]
    best = min((each.price_micros_per_gpu_hour for each in covering), default=None)
    return node_offers.most_of_one_node(affordable, start, request.end), best
