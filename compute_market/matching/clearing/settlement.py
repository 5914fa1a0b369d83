"""From the events of a batch to its rows: trades, orders, money, GPUs, depth and news, in few statements.

The rows that a batch touches are read once, changed in memory, and written at the end; the database's own
constraints check the result again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

from compute_market import event_channel, quantities
from compute_market.leases import capacity, lifecycle
from compute_market.ledger import account_events
from compute_market.ledger import postings as ledger
from compute_market.ledger.models import Transfer
from compute_market.matching import holds, news
from compute_market.matching.clearing import depth, order_states
from compute_market.matching.clearing.account_changes import fill_changes, order_change
from compute_market.matching.clearing.order_states import OrderState
from compute_market.matching.clearing.rows import OutboxRow, OutcomeRow, TradeRow, make_trade_row
from compute_market.matching.clearing.shard_engines import ShardEngine
from compute_market.matching.commandlog import Logged
from compute_market.matching.engine import commands as c
from compute_market.matching.engine import events as e
from compute_market.matching.models import Order, Outbox, Outcome, Trade
from foundation.database import bulk_sql

State = Order.State
OPEN = State.OPEN.value
ESCROW, FEE = Transfer.Kind.ESCROW.value, Transfer.Kind.FEE.value
BUY = c.Side.BUY.value

Levels = list[tuple[depth.LevelKey, depth.Level]]


def commit_batch(
    *,
    shard_engine: ShardEngine,
    logged: list[Logged],
    events: list[e.Event],
    changed: Collection[depth.LevelKey],
    now: datetime,
) -> int:
    """Write all that a batch changes, and give how many trades it made.

    `logged` are the batch's commands, `events` and `changed` what the engine made of them. The caller has
    guarded the shard's cursor in this transaction, and moves it afterwards.

    Statements that are quick to compose and slow in the database go first: the database works on them
    meanwhile.
    """
    levels = [(key, shard_engine.depth.levels[key]) for key in sorted(changed)]
    depth.write(levels)
    batch = Settlement(shard_engine=shard_engine, logged=logged, events=events, now=now)
    batch.settle()
    batch.write()
    _publish(shard_engine, batch.trades, levels, now)
    batch.open_leases()
    batch.changes.write(now=now)
    batch.journal.confirm()
    return len(batch.trades)


class Settlement:
    """The changes of one batch; `commit_batch` has the order of its steps."""

    def __init__(
        self, *, shard_engine: ShardEngine, logged: list[Logged], events: list[e.Event], now: datetime
    ) -> None:
        self.shard = shard_engine.shard
        self.now = now
        self.events = events
        self._resting = shard_engine.matcher.orders
        self.logged = {entry.command.sequence: entry for entry in logged}
        self.orders = order_states.load(self._touched())
        self._load_money()
        self.trades: list[TradeRow] = []
        self.outcomes: dict[int, OutcomeRow] = {}
        self.changes = account_events.Changes()
        self._ended: list[OrderState] = []
        self._resized: dict[int, OrderState] = {}
        self._gpu_holds: dict[int, int] = {}
        self._trade_pks: list[int] = []

    def settle(self) -> None:
        """Work out what the events change, in their order."""
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
        """Write trades, money, orders, outcomes and the sizes of holds, and record the events of accounts."""
        self._gpu_holds = self._find_gpu_holds()
        finished = [order.pk for order in self._ended if order.pk in self._gpu_holds]
        capacity.release(hold_ids=[self._gpu_holds[pk] for pk in finished], now=self.now)
        at_shard = {"shard": self.shard}
        changed_accounts = self.journal.changed_accounts()
        self._trade_pks = bulk_sql.insert_rows(Trade, self.trades, same=at_shard | {"at": self.now})
        self.journal.send()
        order_states.write(self.orders.values(), now=self.now)
        bulk_sql.add_rows(Outcome, list(self.outcomes.values()), same=at_shard)
        resized = [order for order in self._resized.values() if order.open_gpu_minutes]
        holds.shrink(sizes=[(order.cause, self._gpus_needed(order)) for order in resized])
        self._note_changes(changed_accounts)

    def open_leases(self) -> None:
        """Make leases of the trades that were written."""
        openings = [
            lifecycle.make_opening(
                trade_id=trade_pk,
                order_id=trade.buy_id,
                shard=self.shard,
                product_id=trade.product_id,
                node_id=trade.node_id,
                buyer_id=trade.buyer_id,
                seller_id=trade.seller_id,
                hold_id=self._gpu_holds.get(trade.sell_id),
                parent_id=self.orders[trade.sell_id].lease_id,
                gpus=trade.gpus,
                start=trade.start,
                end=trade.end,
                price_micros_per_gpu_hour=trade.price_micros_per_gpu_hour,
                notional_micros=trade.notional_micros,
                buyer_fee_micros=trade.buy_fee_micros,
                seller_fee_micros=trade.sell_fee_micros,
                is_first=not self.orders[trade.buy_id].filled_before,
            )
            for trade_pk, trade in zip(self._trade_pks, self.trades, strict=True)
        ]
        lifecycle.open_from_trades(openings, changes=self.changes, now=self.now)

    def _note_changes(self, accounts: Iterable[ledger.LockedAccount]) -> None:
        """Note orders, fills and balances for the streams of their owners; leases are noted as they open."""
        add = self.changes.add
        for order in self.orders.values():
            add(order.account_id, account_events.ORDERS, order_change(order))
        for pk, trade in zip(self._trade_pks, self.trades, strict=True):
            bought, sold = fill_changes(pk, trade)
            add(trade.buyer_id, account_events.FILLS, bought)
            add(trade.seller_id, account_events.FILLS, sold)
        self.changes.add_balances(accounts)

    def _find_gpu_holds(self) -> dict[int, int]:
        """The holds of the GPUs that sells gave back or sold in this batch, by their order."""
        pks = {trade.sell_id for trade in self.trades}
        pks.update(order.pk for order in self._ended if order.side != BUY)
        causes = {pk: self.orders[pk].cause for pk in pks}
        found = capacity.find_holds(causes=causes.values())
        return {pk: found[cause] for pk, cause in causes.items() if cause in found}

    def _gpus_needed(self, order: OrderState) -> int:
        """The GPUs that an amended offer may still sell, or has sold at most at one time: its leases depend
        on the hold.
        """
        resting = self._resting[order.pk]
        return max(resting.gpus, *(sold for _, sold in resting.sold_steps()))

    # ---- what is read ------------------------------------------------------------------------

    def _touched(self) -> set[int]:
        """The orders that the events are about."""
        touched: set[int] = set()
        for event in self.events:
            if type(event) is e.Trade:
                touched.add(event.buy)
                touched.add(event.sell)
            elif type(event) in {e.Accepted, e.Cancelled, e.Amended}:
                touched.add(event.order)  # type: ignore[union-attr]
            elif type(event) is e.Rejected and type(self._command(event)) in {c.New, c.Amend}:
                touched.add(event.order)
        return touched

    def _load_money(self) -> None:
        """Lock the accounts, then read the reservations: their writers hold the lock of their account."""
        orders = [order for order in self.orders.values() if order.reservation_id is not None]
        amends = [entry for entry in self.logged.values() if entry.reservation_id is not None]
        own = {order.reservation_id for order in orders if order.reservation_id is not None}
        extra = {entry.reservation_id for entry in amends if entry.reservation_id is not None}
        self.escrow, self.fees = ledger.shard_account_ids(shard=self.shard, now=self.now)
        accounts = {order.account_id for order in orders}
        accounts |= {entry.account_id for entry in amends if entry.account_id is not None}
        locked = ledger.lock_accounts(ids=accounts | {self.escrow, self.fees})
        by_pk = ledger.load_reservations(ids=own | extra)
        self.extra = {pk: by_pk[pk] for pk in extra}
        for order in orders:
            if order.reservation_id is not None:
                order.hold = by_pk[order.reservation_id]
        self.journal = ledger.Journal(accounts=locked.values(), now=self.now)

    def _command(self, event: e.Event) -> c.Command:
        """The command that an event came with."""
        return self.logged[event.sequence].command

    # ---- one method a kind of event ------------------------------------------------------------

    def _accepted(self, event: e.Accepted) -> None:
        self.orders[event.order].state = OPEN

    def _rejected(self, event: e.Rejected) -> None:
        if type(self._command(event)) is c.New:
            order = self.orders[event.order]
            order.end(State.REJECTED.value, event.reason)
            self._ended.append(order)
            return
        self._decide(event.sequence, refused_for=event.reason)
        self._give_back_extra(event.sequence)
        if event.order in self.orders and self.orders[event.order].side != BUY:
            self._resized[event.order] = self.orders[event.order]

    def _cancelled(self, event: e.Cancelled) -> None:
        order = self.orders[event.order]
        state = State.EXPIRED if event.reason == e.Reason.EXPIRED else State.CANCELLED
        order.end(state.value, event.reason)
        order.version += 1
        self._ended.append(order)
        if self._is_side_effect(event):
            return
        if event.sequence not in self.outcomes:
            self._decide(event.sequence)
            self._give_back_extra(event.sequence)

    def _is_side_effect(self, event: e.Cancelled) -> bool:
        """True if the command asked for something else than this end of an order.

        A new order ends others, or itself, by trading; an order can expire while it is amended or cancelled.
        """
        kind = type(self._command(event))
        return kind is c.New or (kind is not c.Expire and event.reason == e.Reason.EXPIRED)

    def _done(self, event: e.Done | e.Configured) -> None:
        self._decide(event.sequence)

    def _decide(self, sequence: int, *, refused_for: str = "") -> None:
        """Note what became of a command that is no new order."""
        self.outcomes[sequence] = OutcomeRow(sequence, not refused_for, refused_for)

    def _trade(self, event: e.Trade) -> None:
        buy, sell = self.orders[event.buy], self.orders[event.sell]
        trade = self._trade_row(event, buy, sell)
        cause = f"trade/{self.shard}/{event.number}"
        if buy.hold is None:
            raise RuntimeError(f"Order {buy.pk} buys without a hold.")
        self.journal.draw(
            reservation=buy.hold,
            credit_id=self.escrow,
            amount_micros=trade.notional_micros,
            kind=ESCROW,
            cause=cause,
        )
        if trade.buy_fee_micros:
            self.journal.draw(
                reservation=buy.hold,
                credit_id=self.fees,
                amount_micros=trade.buy_fee_micros,
                kind=FEE,
                cause=f"{cause}/fee",
            )
        gpu_minutes = event.gpus * (event.end - event.start)
        for order in (buy, sell):
            order.fill(gpu_minutes)
            if not order.open_gpu_minutes:
                self._ended.append(order)
        self._release_improvement(buy)
        self.trades.append(trade)

    @staticmethod
    def _trade_row(event: e.Trade, buy: OrderState, sell: OrderState) -> TradeRow:
        """The row of a trade, with what it costs and both fees (rule M9)."""
        buy_takes = event.taker_side == BUY
        notional = quantities.notional_micros(
            gpu_minutes=event.gpus * (event.end - event.start), price_micros_per_gpu_hour=event.price
        )
        return make_trade_row(
            sequence=event.number,
            product_id=event.product,
            buy_id=event.buy,
            sell_id=event.sell,
            buyer_id=event.buyer,
            seller_id=event.seller,
            node_id=event.node,
            taker_side=event.taker_side,
            price_micros_per_gpu_hour=event.price,
            gpus=event.gpus,
            start=quantities.from_minutes(event.start),
            end=quantities.from_minutes(event.end),
            notional_micros=notional,
            buy_fee_micros=quantities.share_micros(
                amount_micros=notional, bps=buy.taker_fee_bps if buy_takes else buy.maker_fee_bps
            ),
            sell_fee_micros=quantities.share_micros(
                amount_micros=notional, bps=sell.maker_fee_bps if buy_takes else sell.taker_fee_bps
            ),
        )

    def _release_improvement(self, buy: OrderState) -> None:
        """A better price than the limit, and a lower fee, are available again at the fill (rule M16)."""
        if buy.open_gpu_minutes and buy.hold is not None:
            self.journal.shrink(reservation=buy.hold, left_micros=buy.hold_micros)

    def _amended(self, event: e.Amended) -> None:
        order = self.orders[event.order]
        order.price_micros_per_gpu_hour, order.gpus = event.price, event.gpus
        order.open_gpu_minutes = event.gpu_minutes
        order.total_gpu_minutes = (
            order.filled_gpu_minutes + order.open_gpu_minutes + order.cancelled_gpu_minutes
        )
        order.version += 1
        self._decide(event.sequence)
        if order.hold is None:
            self._resized[order.pk] = order
            return
        self.journal.end(reservation=order.hold)
        self._give_back_extra(event.sequence)
        order.hold = self.journal.reserve(
            account_id=order.account_id,
            amount_micros=order.hold_micros,
            cause=f"amend/{self.shard}/{event.sequence}",
        )

    def _give_back_extra(self, sequence: int) -> None:
        """An amendment is decided: what it held in addition is no longer needed, or part of the new hold."""
        reservation_id = self.logged[sequence].reservation_id
        if reservation_id is not None:
            self.journal.end(reservation=self.extra[reservation_id])


def _publish(shard_engine: ShardEngine, trades: Iterable[TradeRow], levels: Levels, now: datetime) -> None:
    """Put the news of products into the outbox, under the number of the batch's last event."""
    by_product: dict[int, news.News] = defaultdict(lambda: news.News([], []))
    for trade in trades:
        by_product[trade.product_id].trades.append(
            news.make_trade_news(
                sequence=trade.sequence,
                taker_side=trade.taker_side,
                price_micros_per_gpu_hour=trade.price_micros_per_gpu_hour,
                gpus=trade.gpus,
                start=quantities.to_minutes(trade.start),
                end=quantities.to_minutes(trade.end),
            )
        )
    for key, level in levels:
        by_product[key.product].levels.append(
            news.make_level_news(
                side=key.side,
                price_micros_per_gpu_hour=key.price,
                start=key.start,
                end=key.end,
                gpus=level.gpus,
                orders=level.orders,
            )
        )
    rows = [OutboxRow(news.topic_of(product), news.payload_of(each)) for product, each in by_product.items()]
    same = {"shard": shard_engine.shard, "sequence": shard_engine.matcher.number, "at": now}
    bulk_sql.add_rows(Outbox, rows, same=same)
    event_channel.publish(row.topic for row in rows)
