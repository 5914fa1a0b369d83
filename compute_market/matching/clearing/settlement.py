"""From the events of a batch to its rows: trades, orders, money, GPUs, depth and news, in few statements.

Whatever a batch touches is read once, worked out in memory, and written at the end; the database's own
constraints check the result again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from compute_market.leases import capacity, lifecycle
from compute_market.ledger import account_events
from compute_market.ledger import postings as ledger
from compute_market.ledger.models import Reservation, Transfer
from compute_market.matching import holds, quantities
from compute_market.matching.clearing.shard_engines import ShardEngine
from compute_market.matching.commandlog import Logged
from compute_market.matching.engine import events as e
from compute_market.matching.models import Order, Outbox, Outcome, Trade
from foundation.database import bulk_sql
from foundation.database.cursors import prepared_cursor

PENDING, OPEN = Order.State.PENDING.value, Order.State.OPEN.value
PARTIALLY_FILLED, FILLED = Order.State.PARTIALLY_FILLED.value, Order.State.FILLED.value
CANCELLED, EXPIRED = Order.State.CANCELLED.value, Order.State.EXPIRED.value
REJECTED = Order.State.REJECTED.value
BUY = 1
ESCROW, FEE = Transfer.Kind.ESCROW.value, Transfer.Kind.FEE.value

LOADED = (
    "id, account_id, side, price_micros_per_gpu_hour, gpus, state, total_gpu_minutes, filled_gpu_minutes,"
    " open_gpu_minutes, cancelled_gpu_minutes, version, reservation_id, maker_fee_bps, taker_fee_bps,"
    " lease_id, reason, client_order_id, product_id"
)
WRITTEN = (
    "price_micros_per_gpu_hour", "gpus", "state", "total_gpu_minutes", "filled_gpu_minutes",
    "open_gpu_minutes", "cancelled_gpu_minutes", "version", "reservation", "reason",
)  # fmt: skip


class Traded(NamedTuple):
    """The row of a trade, by the names of its columns."""

    sequence: int
    product: int
    buy: int
    sell: int
    buyer: int
    seller: int
    node: int
    taker_side: int
    price_micros_per_gpu_hour: int
    gpus: int
    start: datetime
    end: datetime
    notional_micros: int
    buy_fee_micros: int
    sell_fee_micros: int


class OrderChange(NamedTuple):
    """An order in an account's event: as it stands after a batch; quantities in GPU-minutes."""

    order: int
    client_order_id: str
    product: int
    side: int
    price_micros_per_gpu_hour: int
    gpus: int
    state: str
    filled_gpu_minutes: int
    open_gpu_minutes: int
    cancelled_gpu_minutes: int
    version: int
    reason: str


class FillChange(NamedTuple):
    """One side of a trade in an account's event; `start` and `end` in minutes since the epoch."""

    trade: int
    order: int
    product: int
    side: int
    is_taker: bool
    price_micros_per_gpu_hour: int
    gpus: int
    start: int
    end: int
    notional_micros: int
    fee_micros: int


class OrderState:
    """An order's figures while a batch is settled."""

    __slots__ = (
        "account",
        "cancelled",
        "client_order_id",
        "filled",
        "filled_before",
        "gpus",
        "hold",
        "lease",
        "maker_bps",
        "open",
        "pk",
        "price",
        "product",
        "reason",
        "reservation",
        "side",
        "state",
        "taker_bps",
        "total",
        "version",
    )

    def __init__(self, row: tuple[Any, ...]) -> None:
        (self.pk, self.account, self.side, self.price, self.gpus, self.state, self.total, self.filled,
         self.open, self.cancelled, self.version, self.reservation, self.maker_bps, self.taker_bps,
         self.lease, self.reason, self.client_order_id, self.product) = row  # fmt: skip
        self.filled_before = self.filled
        self.hold: Reservation | ledger.ReservationRow | None = None

    @property
    def hold_micros(self) -> int:
        """The amount that the open rest of a buy must hold."""
        return quantities.hold_micros(
            gpu_minutes=self.open,
            price_micros_per_gpu_hour=self.price,
            fee_bps=max(self.maker_bps, self.taker_bps),
        )

    @property
    def cause(self) -> str:
        """The keys of its holds."""
        return holds.cause_of(account_id=self.account, client_order_id=self.client_order_id)

    def end(self, state: str, reason: str) -> None:
        """Nothing is open any more."""
        self.cancelled += self.open
        self.open = 0
        self.state = state
        self.reason = reason

    def row(self) -> tuple[Any, ...]:
        """As `WRITTEN`, after the primary key."""
        reservation = self.hold.pk if self.hold is not None else self.reservation
        return (
            self.pk, self.price, self.gpus, self.state, self.total, self.filled, self.open, self.cancelled,
            self.version, reservation, self.reason,
        )  # fmt: skip


class Settlement:
    """The changes of one batch. Create it, call `settle()`, then `write()`, all inside the batch's
    transaction.
    """

    def __init__(
        self, *, shard_engine: ShardEngine, logged: list[Logged], events: list[e.Event], now: datetime
    ) -> None:
        self.shard = shard_engine.shard
        self.now = now
        self.events = events
        self._resting = shard_engine.matcher.orders
        self.logged = {entry.sequence: entry for entry in logged}
        self.orders = self._load_orders()
        self._load_money()
        self.trades: list[Traded] = []
        self.outcomes: dict[int, tuple[bool, str]] = {}
        self._ended: list[OrderState] = []
        self._resized: dict[int, OrderState] = {}
        self._gpu_holds: dict[str, int] = {}
        self._trade_pks: list[int] = []
        self._changes = account_events.Changes()

    def settle(self) -> None:
        """Go through the events in their order."""
        handlers = {
            e.Trade: self._trade,
            e.Accepted: self._accepted,
            e.Rejected: self._rejected,
            e.Cancelled: self._cancelled,
            e.Amended: self._amended,
            e.Done: self._done,
            e.Configured: self._done,
        }
        for event in self.events:
            handlers[type(event)](event)  # type: ignore[operator]
        for order in self._ended:
            if order.hold is not None:
                self.journal.end(reservation=order.hold)

    def write(self) -> None:
        """Write everything but depth, news, leases and the cursor.

        What is soon composed and keeps the database busy comes first: it works on that meanwhile.
        """
        now = self.now
        self._gpu_holds = capacity.find_holds(causes=self._finished_or_sold())
        finished = [
            self._gpu_holds[t.cause] for t in self._ended if t.side != BUY and t.cause in self._gpu_holds
        ]
        capacity.release(hold_ids=finished, now=now)
        at_shard = {"shard": self.shard}
        changed_accounts = self.journal.changed_accounts()
        self._trade_pks = bulk_sql.insert_rows(
            Trade, Traded._fields, self.trades, same=at_shard | {"at": now}
        )
        self.journal.send()
        changed = [order.row() for order in self.orders.values()]
        bulk_sql.update_rows(Order, WRITTEN, changed, same={"changed_at": now})
        bulk_sql.add_rows(
            Outcome,
            ("sequence", "accepted", "reason"),
            [(sequence, *outcome) for sequence, outcome in self.outcomes.items()],
            same=at_shard,
        )
        holds.shrink(sizes=[(t.cause, self._gpus_needed(t)) for t in self._resized.values() if t.open])
        self._note_changes(changed_accounts)

    def tell(self, topics: dict[str, Any], *, sequence: int) -> None:
        """Put news into the outbox, under the number of the batch's last event."""
        bulk_sql.add_rows(
            Outbox,
            ("topic", "payload"),
            list(topics.items()),
            same={"shard": self.shard, "sequence": sequence, "at": self.now},
        )

    def open_leases(self) -> None:
        """Make leases of the trades that were written."""
        orders, holds = self.orders, self._gpu_holds
        openings = [
            lifecycle.LeaseOpening(
                trade_id=trade_pk,
                order_id=trade.buy,
                shard=self.shard,
                product_id=trade.product,
                node_id=trade.node,
                buyer_id=trade.buyer,
                seller_id=trade.seller,
                hold_id=holds.get(orders[trade.sell].cause),
                parent_id=orders[trade.sell].lease,
                gpus=trade.gpus,
                start=trade.start,
                end=trade.end,
                price_micros_per_gpu_hour=trade.price_micros_per_gpu_hour,
                notional_micros=trade.notional_micros,
                buyer_fee_micros=trade.buy_fee_micros,
                seller_fee_micros=trade.sell_fee_micros,
                is_first=not orders[trade.buy].filled_before,
            )
            for trade_pk, trade in zip(self._trade_pks, self.trades, strict=True)
        ]
        lifecycle.open_from_trades(openings, changes=self._changes, now=self.now)

    def write_account_events(self) -> None:
        """Write what the batch changed for each account: orders, fills, leases, balance."""
        self._changes.write(now=self.now)

    def _note_changes(self, accounts: Iterable[ledger.LockedAccount]) -> None:
        """Note orders, fills and balances for the streams of their owners; leases are noted as they open."""
        add = self._changes.add
        for t in self.orders.values():
            add(t.account, account_events.ORDERS, OrderChange(
                t.pk, t.client_order_id, t.product, t.side, t.price, t.gpus, t.state, t.filled, t.open,
                t.cancelled, t.version, t.reason,
            ))  # fmt: skip
        for pk, trade in zip(self._trade_pks, self.trades, strict=True):
            window = quantities.to_minutes(trade.start), quantities.to_minutes(trade.end)
            for side, account, order, fee in (
                (BUY, trade.buyer, trade.buy, trade.buy_fee_micros),
                (-BUY, trade.seller, trade.sell, trade.sell_fee_micros),
            ):
                add(account, account_events.FILLS, FillChange(
                    pk, order, trade.product, side, trade.taker_side == side,
                    trade.price_micros_per_gpu_hour, trade.gpus, *window, trade.notional_micros, fee,
                ))  # fmt: skip
        self._changes.add_balances(accounts)

    def _finished_or_sold(self) -> set[str]:
        """The causes of the GPUs that sells gave back or sold in this batch."""
        sold = {trade.sell for trade in self.trades}
        return {self.orders[pk].cause for pk in sold} | {t.cause for t in self._ended if t.side != BUY}

    def _gpus_needed(self, order: OrderState) -> int:
        """The GPUs that an amended offer may still sell, or has sold at most at one time: its leases depend
        on the hold.
        """
        resting = self._resting[order.pk]
        return max(resting.gpus, *(sold for _, sold in resting.sold_steps()))

    # ---- what is read ------------------------------------------------------------------------

    def _load_orders(self) -> dict[int, OrderState]:
        touched: set[int] = set()
        for event in self.events:
            if type(event) is e.Trade:
                touched.add(event.buy)
                touched.add(event.sell)
            elif type(event) in {e.Accepted, e.Cancelled, e.Amended}:
                touched.add(event.order)  # type: ignore[union-attr]
            elif type(event) is e.Rejected and self.logged[event.sequence].kind in {"new", "amend"}:
                touched.add(event.order)
        sql = f"SELECT {LOADED} FROM {bulk_sql.table_of(Order)} WHERE id IN ({bulk_sql.listed_sql()})"  # noqa: S608
        with prepared_cursor() as cursor:
            cursor.execute(sql, [bulk_sql.as_list(touched)])
            return {row[0]: OrderState(row) for row in cursor.fetchall()}

    def _load_money(self) -> None:
        holds = {t.reservation for t in self.orders.values() if t.reservation is not None}
        extra = {entry.reservation_id for entry in self.logged.values() if entry.reservation_id is not None}
        self.escrow, self.fees = ledger.shard_account_ids(shard=self.shard, now=self.now)
        accounts = {t.account for t in self.orders.values() if t.reservation is not None}
        accounts |= {
            entry.account_id
            for entry in self.logged.values()
            if entry.account_id is not None and entry.reservation_id is not None
        }
        # The accounts are locked before the reservations are read: every writer of a reservation holds its
        # account's lock.
        locked = ledger.lock_accounts(ids=accounts | {self.escrow, self.fees})
        by_pk = ledger.load_reservations(ids=holds | extra)
        self.extra = {pk: by_pk[pk] for pk in extra}
        for order in self.orders.values():
            if order.reservation is not None:
                order.hold = by_pk[order.reservation]
        self.journal = ledger.Journal(accounts=locked.values(), now=self.now)

    def _is_new(self, event: e.Event) -> bool:
        return self.logged[event.sequence].kind == "new"

    # ---- one method a kind of event ------------------------------------------------------------

    def _accepted(self, event: e.Accepted) -> None:
        self.orders[event.order].state = OPEN

    def _rejected(self, event: e.Rejected) -> None:
        if self._is_new(event):
            order = self.orders[event.order]
            order.end(REJECTED, event.reason)
            self._ended.append(order)
            return
        self.outcomes[event.sequence] = (False, event.reason)
        self._give_back_extra(event.sequence)
        if event.order in self.orders and self.orders[event.order].side != BUY:
            self._resized[event.order] = self.orders[event.order]

    def _cancelled(self, event: e.Cancelled) -> None:
        order = self.orders[event.order]
        order.end(EXPIRED if event.reason == e.Reason.EXPIRED else CANCELLED, event.reason)
        order.version += 1
        self._ended.append(order)
        if self._is_by_the_way(event):
            return
        if event.sequence not in self.outcomes:
            self.outcomes[event.sequence] = (True, "")
            self._give_back_extra(event.sequence)

    def _is_by_the_way(self, event: e.Cancelled) -> bool:
        """True if the end of an order is not the result of the command that it came with."""
        kind = self.logged[event.sequence].kind
        return kind == "new" or (kind != "expire" and event.reason == e.Reason.EXPIRED)

    def _done(self, event: e.Done | e.Configured) -> None:
        self.outcomes[event.sequence] = (True, "")

    def _trade(self, event: e.Trade) -> None:
        buy, sell = self.orders[event.buy], self.orders[event.sell]
        gpu_minutes = event.gpus * (event.end - event.start)
        notional = gpu_minutes * (event.price // quantities.MINUTES_PER_HOUR)
        takes = event.taker_side == BUY
        buy_fee = notional * (buy.taker_bps if takes else buy.maker_bps) // 10_000
        sell_fee = notional * (sell.maker_bps if takes else sell.taker_bps) // 10_000
        cause = f"trade/{self.shard}/{event.number}"
        if buy.hold is None:
            raise RuntimeError(f"Order {buy.pk} buys without a hold.")
        self.journal.draw(
            reservation=buy.hold,
            credit_id=self.escrow,
            amount_micros=notional,
            kind=ESCROW,
            cause=cause,
        )
        if buy_fee:
            self.journal.draw(
                reservation=buy.hold,
                credit_id=self.fees,
                amount_micros=buy_fee,
                kind=FEE,
                cause=f"{cause}/fee",
            )
        for order in (buy, sell):
            order.filled += gpu_minutes
            order.open -= gpu_minutes
            order.version += 1
            if order.open:
                order.state = PARTIALLY_FILLED
            else:
                order.state = FILLED
                self._ended.append(order)
        self._release_improvement(buy)
        self.trades.append(
            Traded(
                event.number,
                event.product,
                event.buy,
                event.sell,
                event.buyer,
                event.seller,
                event.node,
                event.taker_side,
                event.price,
                event.gpus,
                quantities.from_minutes(event.start),
                quantities.from_minutes(event.end),
                notional,
                buy_fee,
                sell_fee,
            )
        )

    def _release_improvement(self, buy: OrderState) -> None:
        """A better price than the limit, and a lower fee, are available again at the fill (rule M16)."""
        if buy.open and buy.hold is not None:
            self.journal.shrink(reservation=buy.hold, left_micros=buy.hold_micros)

    def _amended(self, event: e.Amended) -> None:
        order = self.orders[event.order]
        order.price, order.gpus, order.open = event.price, event.gpus, event.gpu_minutes
        order.total = order.filled + order.open + order.cancelled
        order.version += 1
        self.outcomes[event.sequence] = (True, "")
        if order.hold is None:
            self._resized[order.pk] = order
            return
        self.journal.end(reservation=order.hold)
        self._give_back_extra(event.sequence)
        order.hold = self.journal.reserve(
            account_id=order.account,
            amount_micros=order.hold_micros,
            cause=f"amend/{self.shard}/{event.sequence}",
        )

    def _give_back_extra(self, sequence: int) -> None:
        """An amendment is decided: what it held in addition is no longer needed, or part of the new hold."""
        reservation_id = self.logged[sequence].reservation_id
        if reservation_id is not None:
            self.journal.end(reservation=self.extra[reservation_id])


def product_news(
    trades: Iterable[Traded], levels: Iterable[tuple[tuple[int, int, int, int, int], int, int]]
) -> dict[int, dict[str, list[Any]]]:
    """Product → what its watchers see: trades, and levels of the book as they are now (0 GPUs: gone)."""
    news: dict[int, dict[str, list[Any]]] = defaultdict(lambda: {"trades": [], "levels": []})
    for trade in trades:
        start, end = quantities.to_minutes(trade.start), quantities.to_minutes(trade.end)
        news[trade.product]["trades"].append(
            (trade.sequence, trade.taker_side, trade.price_micros_per_gpu_hour, trade.gpus, start, end)
        )
    for (product, side, price, start, end), gpus, count in levels:
        news[product]["levels"].append((side, price, start, end, gpus, count))
    return news
