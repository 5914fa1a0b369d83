"""Taking orders in: each is checked, its funds or GPUs are held, and its command joins the log (M6, M10).

Nothing is matched here. What one order is refused for does not concern its neighbours in a bulk.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Exists, IntegerField, Subquery

from compute_market import rows
from compute_market.errors import Refusal
from compute_market.ledger import postings as ledger
from compute_market.ledger.models import Reservation
from compute_market.matching import commandlog, limits, listings, quantities, supply, terms
from compute_market.matching.errors import ClientOrderIdReused, TooManyOrders
from compute_market.matching.models import Command, Listing, Order
from compute_market.matching.terms import OrderRequest
from compute_market.offers.errors import ProductNotFound
from compute_market.offers.models import Product
from hub.interface import Prepared

COLUMNS = (
    "account", "client_order_id", "product", "side", "price_micros_per_gpu_hour", "gpus", "start", "end",
    "node", "lease", "time_in_force", "is_market", "post_only", "self_trade", "expires_at", "maker_fee_bps",
    "taker_fee_bps", "reservation", "state", "reason", "total_gpu_minutes", "filled_gpu_minutes",
    "open_gpu_minutes", "cancelled_gpu_minutes", "version", "placed_at", "changed_at",
)  # fmt: skip
FOREIGN = {"account", "product", "node", "lease", "reservation"}
ATTRIBUTES = tuple(f"{name}_id" if name in FOREIGN else name for name in COLUMNS)


class _Counted(Subquery):
    """How many rows a query has, as a value."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


_standing = Prepared(
    lambda account, product, name: (
        Listing.objects.select_related("product")
        .filter(product__slug=product)
        .annotate(
            live=_Counted(Order.objects.live().filter(account=account).order_by().values("pk")),
            is_known=Exists(
                Command.objects.filter(kind=Command.Kind.NEW, account=account, client_order_id=name)
            ),
        )
    ),
    account=987_654_321,
    product="?product",
    name="?name",
)
"""All that a single order is judged by: its product, the account's live orders, whether its id was used."""


class Batch:
    """What one commit writes: orders that were accepted, of any number of accounts, and what they hold."""

    def __init__(self, *, accounts: Iterable[ledger.LockedAccount], now: datetime) -> None:
        self.now = now
        self.journal = ledger.Journal(accounts=accounts, now=now)
        self._fresh: list[tuple[Order, str, Reservation | None]] = []
        self._sources: list[supply.Sources] = []

    def add(self, order: Order, fingerprint: str, reservation: Reservation | None) -> None:
        """An order with what it is known again by, and the money it holds."""
        self._fresh.append((order, fingerprint, reservation))

    def add_sources(self, sources: supply.Sources) -> None:
        """Where an account's sells hold their GPUs."""
        self._sources.append(sources)

    def write(self) -> set[int]:
        """Write what was accepted. Gives the shards whose bells should ring."""
        self.journal.write()
        for order, _, reservation in self._fresh:
            order.reservation_id = reservation.pk if reservation is not None else None
        pks = rows.insert_rows(
            Order,
            COLUMNS,
            [tuple(getattr(order, name) for name in ATTRIBUTES) for order, _, _ in self._fresh],
        )
        entries: dict[int, list[commandlog.Entry]] = defaultdict(list)
        minute = quantities.to_minutes(self.now)
        for pk, (order, fingerprint, _) in zip(pks, self._fresh, strict=True):
            order.pk = pk
            order._state.adding = False  # noqa: SLF001 - the row is there, though not by save()
            entries[order.product.shard_id].append(
                commandlog.Entry(
                    kind="new",
                    body=_body(order, minute),
                    account_id=order.account_id,
                    client_order_id=order.client_order_id,
                    fingerprint=fingerprint,
                    order_id=pk,
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
        if standing is None or standing.is_known:
            self._known = self._load_known({request.client_order_id for request in requests})
        # Nodes before listings: a product's first listing appends to a log, and that lock comes last.
        self._sources = supply.Sources(account=account, requests=requests, now=self.now)
        batch.add_sources(self._sources)
        if standing is None:
            self._listings = self._load_listings({request.product for request in requests})
            live = Order.objects.live().filter(account_id=account.pk).count()
        else:
            self._listings, live = {standing.product.slug: standing}, standing.live
        self._room = limits.open_orders_max() - live

    def take(self, request: OrderRequest) -> Order:
        """Accept one order, or give the one that was accepted under its key before.

        Raises: OrderInvalid, ClientOrderIdReused, ProductNotFound, ProductHalted, ProductClosed,
        TooManyOrders, InsufficientFunds, NodeNotFound, NodeNotTradable, CapacityTaken.
        """
        fingerprint = request.fingerprint()
        if known := self._known.get(request.client_order_id):
            if known[0] != fingerprint:
                raise ClientOrderIdReused(client_order_id=request.client_order_id)
            return known[1]
        listing = self._listings.get(request.product)
        if listing is None:
            raise ProductNotFound(product=request.product)
        window = terms.check(request, listing=listing, now=self.now)
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
                    fee_bps=limits.fee_bps_max(),
                ),
                cause=supply.cause_of(account_id=self.account.pk, client_order_id=request.client_order_id),
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

    def _load_listings(self, slugs: set[str]) -> dict[str, Listing]:
        found = {
            listing.product.slug: listing
            for listing in Listing.objects.select_related("product").filter(product__slug__in=slugs)
        }
        for product in Product.objects.filter(slug__in=slugs - found.keys()):
            found[product.slug] = listings.ensure(product, now=self.now)
        return found

    def _drawn_up(self, request: OrderRequest, listing: Listing, window: terms.Window) -> Order:
        gpu_minutes = request.gpus * window.minutes
        return Order(
            account=self.account,
            client_order_id=request.client_order_id,
            product=listing.product,
            side=request.side,
            price_micros_per_gpu_hour=request.price_micros_per_gpu_hour,
            gpus=request.gpus,
            start=window.start,
            end=window.end,
            node_id=self._sources.node_of(request),
            lease_id=request.lease_id,
            time_in_force=request.time_in_force,
            is_market=request.is_market,
            post_only=request.post_only,
            self_trade=request.self_trade,
            expires_at=terms.expires_at(request, window),
            maker_fee_bps=limits.maker_fee_bps(),
            taker_fee_bps=limits.taker_fee_bps(),
            total_gpu_minutes=gpu_minutes,
            open_gpu_minutes=gpu_minutes,
            placed_at=self.now,
            changed_at=self.now,
        )


def _body(order: Order, minute: int) -> tuple[int, ...]:
    """The engine's `New` without its sequence."""
    return (
        order.pk,
        order.account_id,
        order.product_id,
        int(order.side),
        order.price_micros_per_gpu_hour,
        order.gpus,
        quantities.to_minutes(order.start),
        quantities.to_minutes(order.end),
        order.node_id or 0,
        int(order.time_in_force),
        int(order.post_only),
        int(order.self_trade),
        minute,
    )
