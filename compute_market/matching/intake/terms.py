"""The terms of a requested order, and their checks (rule M1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from compute_market import quantities
from compute_market.amounts import credits_of
from compute_market.ledger.models import AMOUNT_MAX_MICROS
from compute_market.matching import limits
from compute_market.matching.errors import OrderInvalid, ProductClosed, ProductHalted
from compute_market.matching.models import Order
from foundation.clock import HOUR, MINUTE, ceil_minute, floor_minute
from foundation.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from compute_market.leases.models import Lease
    from compute_market.matching.models import Listing

PRICE_MAX_MICROS = 10**12
CLIENT_ORDER_ID_MAX = 64
CLIENT_NOTE_MAX = 200
SIDES, SELF_TRADES, FORCES = frozenset(Order.Side), frozenset(Order.SelfTrade), frozenset(Order.TimeInForce)
BUY, SELL = Order.Side.BUY.value, Order.Side.SELL.value
GTD, IMMEDIATE = Order.TimeInForce.GTD.value, {Order.TimeInForce.IOC.value, Order.TimeInForce.FOK.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """A new order in the trader's own words. `start` None is now, the current minute.

    `price_micros_per_gpu_hour` is the limit; of a market order, the cap. `node_id` or `lease_id`: what a sell
    offers. `same_node` of a buy: whether all its GPUs must come from one node (rule M13); None: they must if
    they fit on one. `extends_id`: the lease that a buy carries on from its end, on its node (rule M14).
    """

    client_order_id: str
    product: str
    side: int
    gpus: int
    end: datetime
    price_micros_per_gpu_hour: int
    start: datetime | None = None
    time_in_force: int = Order.TimeInForce.GTC.value
    expires_at: datetime | None = None
    is_market: bool = False
    post_only: bool = False
    self_trade: int = Order.SelfTrade.CANCEL_NEWEST.value
    node_id: int | None = None
    lease_id: int | None = None
    same_node: bool | None = None
    extends_id: int | None = None
    client_note: str = ""

    def fingerprint(self) -> str:
        """The same for the same request, and only then: what makes a retry a retry (rule M6)."""
        said: tuple[object, ...] = (
            self.product,
            self.side,
            self.gpus,
            self.start and self.start.timestamp(),
            self.end.timestamp(),
            self.price_micros_per_gpu_hour,
            self.time_in_force,
            self.expires_at and self.expires_at.timestamp(),
            self.is_market,
            self.post_only,
            self.self_trade,
            self.node_id,
            self.lease_id,
        )
        # Left out where they are not given, as before there were any: a retry stays a retry.
        if self.same_node is not None or self.extends_id is not None:
            said = (*said, self.same_node, self.extends_id)
        if self.client_note:
            said = (*said, "client_note", self.client_note)
        return sha256(repr(tuple(map(str, said))).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Window:
    """[start, end), on whole minutes."""

    start: datetime
    end: datetime

    @property
    def minutes(self) -> int:
        return quantities.to_minutes(self.end) - quantities.to_minutes(self.start)


def check(request: OrderRequest, *, listing: Listing, now: datetime, source: Lease | None = None) -> Window:
    """Check that a product accepts such an order now. Returns the window it would trade over.

    `source` is the lease that a sell offers or a buy extends. Raises: OrderInvalid (with the field),
    ProductHalted, ProductClosed.
    """
    _check_identity(request)
    check_trading(listing)
    check_gpus(request.gpus, listing)
    check_price(request.price_micros_per_gpu_hour, listing)
    _check_force(request, now)
    window = _window(request, listing.product.horizon_days, now, source)
    cost = quantities.hold_micros(
        gpu_minutes=request.gpus * window.minutes,
        price_micros_per_gpu_hour=request.price_micros_per_gpu_hour,
        fee_bps=limits.fee_bps_max(),
    )
    if cost > AMOUNT_MAX_MICROS:
        raise OrderInvalid(field="gpus", reason=_("the order is too large for any account."))
    return window


def problems(
    request: OrderRequest, *, listing: Listing, now: datetime, source: Lease | None = None
) -> list[Refusal]:
    """All that `check` would refuse an order for, one problem of each of its steps; empty if it passes.

    For people, who mend all fields of a form at once. A program gets the first one.
    """
    steps: tuple[Callable[[], object], ...] = (
        lambda: _check_identity(request),
        lambda: check_trading(listing),
        lambda: check_gpus(request.gpus, listing),
        lambda: check_price(request.price_micros_per_gpu_hour, listing),
        lambda: _check_force(request, now),
        lambda: _window(request, listing.product.horizon_days, now, source),
    )
    found = []
    for step in steps:
        try:
            step()
        except Refusal as refusal:
            found.append(refusal)
    return found


def check_price(price: int, listing: Listing, *, field: str = "price_micros_per_gpu_hour") -> None:
    """Raises: OrderInvalid unless a price is positive, on the tick and inside the band."""
    if type(price) is not int or not 0 < price <= PRICE_MAX_MICROS:
        raise OrderInvalid(field=field, reason=_("must be a positive whole number of micro-credits."))
    tick = listing.product.tick_micros
    if price % tick:
        reason = _("must be a multiple of the tick, {tick} credits.").format(tick=credits_of(tick))
        raise OrderInvalid(field=field, reason=reason)
    if not listing.lowest_micros <= price <= listing.highest_micros:
        reason = _("must lie in the price band, {low} to {high} credits.").format(
            low=credits_of(listing.lowest_micros), high=credits_of(listing.highest_micros)
        )
        raise OrderInvalid(field=field, reason=reason)


def check_gpus(gpus: int, listing: Listing) -> None:
    """Raises: OrderInvalid unless a number of GPUs is positive, on the lot and not too large."""
    product = listing.product
    if type(gpus) is not int or not 0 < gpus <= product.gpus_max:
        reason = _("must be a whole number from 1 to {limit}.").format(limit=product.gpus_max)
        raise OrderInvalid(field="gpus", reason=reason)
    if gpus % product.lot:
        reason = _("must be a multiple of the lot, {lot}.").format(lot=product.lot)
        raise OrderInvalid(field="gpus", reason=reason)


def check_trading(listing: Listing) -> None:
    """Raises: ProductHalted, ProductClosed."""
    product = listing.product
    if product.state == product.State.CLOSED:
        raise ProductClosed(product=product.slug)
    if product.state == product.State.HALTED or listing.is_stopped:
        raise ProductHalted(product=product.slug)


def _check_identity(request: OrderRequest) -> None:
    name = request.client_order_id
    if not 0 < len(name) <= CLIENT_ORDER_ID_MAX or not name.isprintable():
        reason = _("must have 1 to {limit} printable characters.").format(limit=CLIENT_ORDER_ID_MAX)
        raise OrderInvalid(field="client_order_id", reason=reason)
    note = request.client_note
    if note and not (len(note) <= CLIENT_NOTE_MAX and note.isprintable()):
        reason = _("must have 1 to {limit} printable characters.").format(limit=CLIENT_NOTE_MAX)
        raise OrderInvalid(field="client_note", reason=reason)
    if request.side not in SIDES:
        raise OrderInvalid(field="side", reason=_("must be buy or sell."))
    if request.self_trade not in SELF_TRADES:
        raise OrderInvalid(field="self_trade", reason=_("is not a known mode."))
    sources = (request.node_id is not None) + (request.lease_id is not None)
    if request.side == SELL and sources != 1:
        raise OrderInvalid(field="node", reason=_("a sell order must name one node or one lease."))
    if request.side == BUY and sources:
        raise OrderInvalid(field="node", reason=_("a buy order can't name a node or a lease."))
    if request.side == SELL:
        for field, value in (("same_node", request.same_node), ("extends", request.extends_id)):
            if value:
                raise OrderInvalid(field=field, reason=_("applies to buy orders only."))
    if request.extends_id is not None and request.same_node is False:
        raise OrderInvalid(field="same_node", reason=_("an extension can only use GPUs of one node."))


def _check_force(request: OrderRequest, now: datetime) -> None:
    force = request.time_in_force
    immediate = force in IMMEDIATE
    if force not in FORCES:
        raise OrderInvalid(field="time_in_force", reason=_("is not a known kind."))
    if request.is_market and not immediate:
        raise OrderInvalid(field="time_in_force", reason=_("a market order must be IOC or FOK."))
    if request.post_only and immediate:
        raise OrderInvalid(field="post_only", reason=_("an immediate order can't be post-only."))
    if force == GTD and request.expires_at is None:
        raise OrderInvalid(field="expires_at", reason=_("is required for a GTD order."))
    if force != GTD and request.expires_at is not None:
        raise OrderInvalid(field="expires_at", reason=_("applies to GTD orders only."))
    if request.expires_at is not None and request.expires_at <= now:
        raise OrderInvalid(field="expires_at", reason=_("is in the past."))


def _window(request: OrderRequest, horizon_days: int, now: datetime, source: Lease | None) -> Window:
    """The window, on whole minutes. A start of now is the current minute; what is over of it is free."""
    soonest = floor_minute(now)
    natural = soonest
    if source is not None:
        natural = source.ends_at if request.extends_id else max(soonest, source.starts_at)
    start = natural if request.start is None else request.start
    for field, moment in (("start", request.start), ("end", request.end)):
        if moment is not None and (moment.utcoffset() is None or (moment - quantities.EPOCH) % HOUR):
            raise OrderInvalid(field=field, reason=_("must be on the hour (UTC)."))
    if request.extends_id and start != natural:
        raise OrderInvalid(field="start", reason=_("an extension must start when the lease ends."))
    if start < soonest:
        raise OrderInvalid(field="start", reason=_("is in the past."))
    if request.end <= start or (start <= now and request.end <= ceil_minute(now)):
        raise OrderInvalid(field="end", reason=_("must be after the start."))
    if request.end > now + timedelta(days=horizon_days):
        reason = _("must be within {days} days.").format(days=horizon_days)
        raise OrderInvalid(field="end", reason=reason)
    return Window(start, request.end)


def expires_at(request: OrderRequest, window: Window) -> datetime:
    """The time an order ends by itself: its own, or the last at which its window can be traded whole.

    A buy is worth nothing once the minute is over in which its window begins; of an offer something is left
    until its end.
    """
    natural = window.start + MINUTE if request.side == BUY else window.end
    return natural if request.expires_at is None else min(natural, request.expires_at)
