"""Taking orders in: each is checked, its funds or GPUs are held, and its command joins the log (M6, M10).

Nothing is matched here. A refused order of a bulk does not affect the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Exists, IntegerField, OuterRef, Subquery
from django.utils.translation import gettext as _

from compute_market import quantities
from compute_market.leases.errors import LeaseNotFound
from compute_market.leases.models import Lease
from compute_market.ledger import postings as ledger
from compute_market.ledger.models import Reservation
from compute_market.matching import commandlog, holds, limits
from compute_market.matching.engine.commands import ANY_ONE, UNLOGGED, New
from compute_market.matching.errors import ClientOrderIdReused, OrderInvalid, TooManyOrders
from compute_market.matching.intake import listings, refusals, sell_holds, terms
from compute_market.matching.intake.terms import OrderRequest
from compute_market.matching.models import Command, Listing, Order, RefusedOrder
from compute_market.offers import selectors
from compute_market.offers.errors import ProductNotFound
from compute_market.offers.models import Product
from compute_market.offers.selectors import NODE_SIZE_DEFAULT
from foundation.database import bulk_sql
from foundation.database.compiled import CompiledQuery
from foundation.errors import Refusal

ORDER_COLUMNS = frozenset(field.attname for field in Order._meta.concrete_fields)  # noqa: SLF001 - documented
COPIED = tuple(field.name for field in fields(OrderRequest) if field.name in ORDER_COLUMNS)
"""What a request says in a field that has the name of a column goes into that column."""
copied_of = attrgetter(*COPIED)


class Accepted(NamedTuple):
    """An order that was accepted, a digest of its request, and the money that it holds."""

    order: Order
    fingerprint: str
    reservation: Reservation | None


class _Counted(Subquery):
    """The number of rows of a query, as an expression."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


_standing = CompiledQuery(
    lambda account, product, name: (
        Listing.objects.select_related("product")
        .filter(product__slug=product)
        .annotate(
            node_size=selectors.node_size(OuterRef("product")),
            live=_Counted(Order.objects.live().filter(account=account).order_by().values("pk")),
            is_known=Exists(
                Command.objects.filter(kind=Command.Kind.NEW, account=account, client_order_id=name)
            ),
            was_refused=Exists(RefusedOrder.objects.filter(account=account, client_order_id=name)),
        )
    ),
    account=987_654_321,
    product="?product",
    name="?name",
)
"""What a single order is judged by: its product and its nodes' size, live orders, whether its id was used."""


class Batch:
    """The rows of one commit: accepted orders of any number of accounts, and their holds."""

    def __init__(self, *, accounts: Iterable[ledger.LockedAccount], now: datetime) -> None:
        self.now = now
        # Read once: each look at the settings costs as much as a check of an order.
        self.maker_bps, self.taker_bps = limits.maker_fee_bps(), limits.taker_fee_bps()
        # The hold of an order is reported together with its decision, by the worker that drains the shard.
        self.journal = ledger.Journal(accounts=accounts, now=now, is_told=False)
        self._fresh: list[Accepted] = []
        self._sources: list[sell_holds.Sources] = []
        self._refused: list[refusals.Refused] = []

    @property
    def is_empty(self) -> bool:
        """True if there is nothing to write."""
        return not self._fresh and not self._refused

    def refuse(self, refused: refusals.Refused) -> None:
        """An order that was refused, to be known again."""
        self._refused.append(refused)

    def add(self, order: Order, fingerprint: str, reservation: Reservation | None) -> None:
        """An order with its client order id and fingerprint, and the money it holds."""
        self._fresh.append(Accepted(order, fingerprint, reservation))

    @property
    def order_ids(self) -> list[int]:
        """The keys of the orders that it wrote."""
        return [accepted.order.pk for accepted in self._fresh]

    def add_sources(self, sources: sell_holds.Sources) -> None:
        """The nodes and leases on which an account's sells hold GPUs."""
        self._sources.append(sources)

    def write(self) -> set[int]:
        """Write what was accepted or refused. Returns the shards that have work now."""
        if self._refused:
            refusals.write(self._refused, now=self.now)
        if not self._fresh:
            return set()
        self.journal.write()
        for order, _fingerprint, reservation in self._fresh:
            order.reservation_id = reservation.pk if reservation is not None else None
        bulk_sql.insert_objects(Order, [accepted.order for accepted in self._fresh])
        entries: dict[int, list[commandlog.Entry]] = defaultdict(list)
        minute, clock = quantities.to_minutes(self.now), quantities.to_milliseconds(self.now)
        for order, fingerprint, _reservation in self._fresh:
            entries[order.product.shard_id].append(
                commandlog.Entry(
                    command=_command(order, minute, clock),
                    account_id=order.account_id,
                    client_order_id=order.client_order_id,
                    fingerprint=fingerprint,
                    order_id=order.pk,
                )
            )
        for sources in self._sources:
            sources.write()
        for shard in sorted(entries):
            commandlog.append(shard=shard, entries=entries[shard], now=self.now)
        return set(entries)


class Acceptance:
    """New orders of one account, whose lock the caller holds, on their way into a batch."""

    def __init__(
        self, *, account: ledger.LockedAccount, requests: Sequence[OrderRequest], batch: Batch
    ) -> None:
        self.account = account
        self.batch = batch
        self.now = batch.now
        self._known: dict[str, tuple[str, Order]] = {}
        standing = self._standing_of(requests[0]) if len(requests) == 1 else None
        self._refused: dict[str, refusals.Refused] = {}
        names = {request.client_order_id for request in requests}
        if standing is None or standing.is_known:
            self._known = self._load_known(names)
        if standing is None or standing.was_refused:
            self._refused = refusals.find(account_id=account.pk, names=names)
        # Nodes before listings: a product's first listing appends to a log, and that lock comes last.
        self._sources = sell_holds.Sources(account=account, requests=requests, now=self.now)
        batch.add_sources(self._sources)
        if standing is None:
            self._listings = self._load_listings({request.product for request in requests})
            live = Order.objects.live().filter(account_id=account.pk).count()
        else:
            self._listings, live = {standing.product.slug: standing}, standing.live
        self._room = limits.open_orders_max() - live
        self._extended = self._load_extended(requests)

    def take(self, request: OrderRequest) -> Order:
        """Accept one order, or give the one that was accepted under its key before.

        An order that was refused under its key is refused again. Raises: OrderInvalid, ClientOrderIdReused,
        ProductNotFound, ProductHalted, ProductClosed, TooManyOrders, InsufficientFunds, NodeNotFound,
        NodeNotTradable, CapacityTaken, LeaseNotFound.
        """
        fingerprint = request.fingerprint()
        if known := self._known.get(request.client_order_id):
            if known[0] != fingerprint:
                raise ClientOrderIdReused(client_order_id=request.client_order_id)
            return known[1]
        if refused := self._refused.get(request.client_order_id):
            if refused.fingerprint != fingerprint:
                raise ClientOrderIdReused(client_order_id=request.client_order_id)
            raise refused.refusal
        try:
            return self._take_new(request, fingerprint)
        except Refusal as refusal:
            if refusals.is_remembered(refusal):
                self._refused[request.client_order_id] = refusals.Refused(
                    self.account.pk, request.client_order_id, fingerprint, refusal
                )
                self.batch.refuse(self._refused[request.client_order_id])
            raise

    def _take_new(self, request: OrderRequest, fingerprint: str) -> Order:
        """Accept an order whose id is new. Raises: as `take()`, but for ClientOrderIdReused."""
        listing = self._listings.get(request.product)
        if listing is None:
            raise ProductNotFound(product=request.product)
        source = self._source_of(request, listing)
        window = terms.check(request, listing=listing, now=self.now, source=source)
        if self._room <= 0:
            raise TooManyOrders(limit=limits.open_orders_max())
        order = self._drawn_up(request, listing, window)
        reservation = None
        if order.side == Order.Side.BUY:
            reservation = self.batch.journal.reserve(
                account_id=self.account.pk,
                amount_micros=quantities.hold_micros(
                    gpu_minutes=order.total_gpu_minutes,
                    price_micros_per_gpu_hour=order.price_micros_per_gpu_hour,
                    fee_bps=max(self.batch.maker_bps, self.batch.taker_bps),
                ),
                cause=holds.cause_of(account_id=self.account.pk, client_order_id=request.client_order_id),
            )
        else:
            self._sources.hold(order)
        self._room -= 1
        self._known[request.client_order_id] = (fingerprint, order)
        self.batch.add(order, fingerprint, reservation)
        return order

    def answer(self, request: OrderRequest) -> Order | Refusal:
        """Accept one order, or say why not."""
        try:
            return self.take(request)
        except Refusal as refusal:
            return refusal

    def _standing_of(self, request: OrderRequest) -> Any:
        """A single order's listing, `live` and `is_known`, in one statement; None if it is not listed yet."""
        return _standing.first(account=self.account.pk, product=request.product, name=request.client_order_id)

    def _load_known(self, names: set[str]) -> dict[str, tuple[str, Order]]:
        placed = Command.objects.filter(
            kind=Command.Kind.NEW, account_id=self.account.pk, client_order_id__in=names
        ).select_related("order__product")
        known = {}
        for command in placed:
            if command.client_order_id is not None and command.order is not None:
                command.order.account = self.account
                known[command.client_order_id] = (command.fingerprint, command.order)
        return known

    def _load_extended(self, requests: Sequence[OrderRequest]) -> dict[int, Lease]:
        """The account's own live leases that requests extend, by id."""
        ids = {request.extends_id for request in requests if request.extends_id is not None}
        return Lease.objects.live().filter(holder=self.account.pk).in_bulk(ids) if ids else {}

    def _source_of(self, request: OrderRequest, listing: Listing) -> Lease | None:
        """The lease that a sell offers or a buy extends. Raises: LeaseNotFound, OrderInvalid."""
        if request.extends_id is None:
            return self._sources.lease_of(request)
        lease = self._extended.get(request.extends_id)
        if lease is None or lease.product_id != listing.product_id:
            raise LeaseNotFound
        if lease.gpus != request.gpus:
            reason = _("an extension must have as many GPUs as the lease: {gpus}.").format(gpus=lease.gpus)
            raise OrderInvalid(field="gpus", reason=reason)
        if lease.ends_at != lease.agreed_end_at:
            raise OrderInvalid(field="extends", reason=_("the lease is about to end early."))
        return lease

    def _load_listings(self, slugs: set[str]) -> dict[str, Listing]:
        sized = Listing.objects.annotate(node_size=selectors.node_size(OuterRef("product")))
        found: dict[str, Listing] = {
            listing.product.slug: listing
            for listing in sized.select_related("product").filter(product__slug__in=slugs)
        }
        for product in Product.objects.filter(slug__in=slugs - found.keys()):
            found[product.slug] = listings.ensure(product, now=self.now)
        return found

    def _drawn_up(self, request: OrderRequest, listing: Listing, window: terms.Window) -> Order:
        gpu_minutes = request.gpus * window.minutes
        order = _made(
            dict(zip(COPIED, copied_of(request), strict=True)),
            account_id=self.account.pk,
            product_id=listing.product_id,
            start=window.start,
            end=window.end,
            node_id=self._sources.node_of(request),
            same_node=wants_one_node(request, listing),
            expires_at=terms.expires_at(request, window),
            maker_fee_bps=self.batch.maker_bps,
            taker_fee_bps=self.batch.taker_bps,
            total_gpu_minutes=gpu_minutes,
            open_gpu_minutes=gpu_minutes,
            placed_at=self.now,
            changed_at=self.now,
        )
        order.account, order.product = self.account, listing.product
        if request.extends_id is not None:
            order.extends = self._extended[request.extends_id]
        return order


def wants_one_node(request: OrderRequest, listing: Listing) -> bool:
    """The requested value; if none was given, true if the product has nodes as large as the order."""
    if request.side == Order.Side.SELL:
        return False
    if request.same_node is not None or request.extends_id is not None:
        return request.same_node is not False
    size: int = getattr(listing, "node_size", None) or NODE_SIZE_DEFAULT
    return request.gpus <= size


@cache
def _defaults() -> dict[str, Any]:
    """The default values of an order's columns, in the order of the columns."""
    return {field.attname: field.get_default() for field in Order._meta.concrete_fields}  # noqa: SLF001


def _made(asked: dict[str, Any], **values: Any) -> Order:
    """An order made of the values of its request and of further values, which replace those of the request.

    It is made as if its row were read: the row will be there at `write()`.

    Django takes values by place in a third of the time that it needs by name.
    """
    columns = _defaults() | asked | values
    return Order.from_db(DEFAULT_DB_ALIAS, columns.keys(), columns.values())


def _command(order: Order, minute: int, clock: int) -> New:
    """The command with which the engine gets an order that was accepted in that minute at that
    millisecond.
    """
    one_node = ANY_ONE if order.same_node else 0
    if order.extends_id is not None and order.extends is not None:
        one_node = order.extends.node_id
    return New(
        UNLOGGED,
        order=order.pk,
        account=order.account_id,
        product=order.product_id,
        side=int(order.side),
        price=order.price_micros_per_gpu_hour,
        gpus=order.gpus,
        start=quantities.to_minutes(order.start),
        end=quantities.to_minutes(order.end),
        node=order.node_id or 0,
        time_in_force=int(order.time_in_force),
        post_only=int(order.post_only),
        self_trade=int(order.self_trade),
        minute=minute,
        one_node=one_node,
        expires=quantities.to_milliseconds(order.expires_at) if order.time_in_force == terms.GTD else 0,
        clock=clock,
    )
