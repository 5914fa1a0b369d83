"""Playing a shard's command log again from empty, and holding the record against what comes of it (M12)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from compute_market import quantities
from compute_market.matching import commandlog, engine, models
from compute_market.matching.clearing.depth import Depth, Level, LevelKey
from compute_market.matching.clearing.shard_engines import REPLAY_BATCH
from compute_market.matching.engine.events import Trade as TradeEvent
from compute_market.matching.models import Cursor, Order, Snapshot, Trade

FINDINGS_MAX = 20


class TradeTerms(NamedTuple):
    """The columns of a trade that follow from its event alone."""

    sequence: int
    product_id: int
    price_micros_per_gpu_hour: int
    gpus: int
    start: datetime
    end: datetime
    buy_id: int
    sell_id: int
    taker_side: int
    buyer_id: int
    seller_id: int
    node_id: int


@dataclass(slots=True)
class Replay:
    """A shard played again up to its cursor, and every way in which its record differs."""

    shard: int
    matcher: engine.Engine
    findings: list[str] = field(default_factory=list)
    trades: int = 0

    @property
    def state_hash(self) -> str:
        return engine.state_hash(self.matcher)


def replay(*, shard: int, batch: int = REPLAY_BATCH) -> Replay:
    """Play a shard's log from its first command to its cursor, in batches of any size."""
    place = Cursor.objects.get(shard=shard)
    again = Replay(shard, engine.Engine())
    taken = Snapshot.objects.filter(shard=shard, sequence__lte=place.sequence)
    kept = {snapshot.sequence: snapshot for snapshot in taken}
    for stop in sorted({*kept, place.sequence}):
        for finding in _play(again, until=stop, batch=batch):
            if len(again.findings) < FINDINGS_MAX:
                again.findings.append(finding)
        if stop in kept and _hash_of(kept[stop]) != again.state_hash:
            again.findings.append(f"Snapshot {shard}/{stop} has another state hash than its replay.")
    recorded = Trade.objects.filter(shard=shard).count()
    if recorded != again.trades:
        again.findings.append(f"Shard {shard} has {recorded} trades; its log makes {again.trades}.")
    if again.matcher.number != place.event_number:
        again.findings.append(
            f"Shard {shard} has {place.event_number} events; its log makes {again.matcher.number}."
        )
    again.findings.extend(_differing_orders(again))
    again.findings.extend(_differing_levels(again))
    again.findings.extend(_crossed_books(again))
    again.findings.extend(_broken_snapshots(shard))
    return again


def _play(again: Replay, *, until: int, batch: int) -> Iterator[str]:
    """Play on to a command, comparing each trade with the record."""
    matcher = again.matcher
    while matcher.sequence < until:
        logged = commandlog.read(shard=again.shard, after=matcher.sequence, limit=batch, until=until)
        if not logged:
            yield f"The log of shard {again.shard} ends at {matcher.sequence}, before its cursor."
            return
        made = [
            event
            for event in matcher.apply([entry.command for entry in logged])
            if isinstance(event, TradeEvent)
        ]
        again.trades += len(made)
        recorded = Trade.objects.filter(shard=again.shard, sequence__in=[event.number for event in made])
        rows = map(TradeTerms._make, recorded.values_list(*TradeTerms._fields))
        known = {row.sequence: row for row in rows}
        for event in made:
            if known.get(event.number) != _terms_of(event):
                yield f"Trade {again.shard}/{event.number} differs from what the log makes."


def _terms_of(event: TradeEvent) -> TradeTerms:
    return TradeTerms(
        sequence=event.number,
        product_id=event.product,
        price_micros_per_gpu_hour=event.price,
        gpus=event.gpus,
        start=quantities.from_minutes(event.start),
        end=quantities.from_minutes(event.end),
        buy_id=event.buy,
        sell_id=event.sell,
        taker_side=event.taker_side,
        buyer_id=event.buyer,
        seller_id=event.seller,
        node_id=event.node,
    )


def _differing_orders(again: Replay) -> Iterator[str]:
    """Live orders that the record has otherwise than the engine. Pending ones are not the engine's yet."""
    live = Order.objects.live().filter(product__shard=again.shard).exclude(state=Order.State.PENDING)
    recorded = {
        pk: (price, gpus, left, version)
        for pk, price, gpus, left, version in live.values_list(
            "pk", "price_micros_per_gpu_hour", "gpus", "open_gpu_minutes", "version"
        )
    }
    made = {
        number: (order.price, order.gpus, order.open_minutes(), order.version)
        for number, order in again.matcher.orders.items()
    }
    for pk in sorted(recorded.keys() | made.keys()):
        if recorded.get(pk) != made.get(pk):
            yield f"Order {pk} is {recorded.get(pk)} on record and {made.get(pk)} by the log."


def _differing_levels(again: Replay) -> Iterator[str]:
    minutes = quantities.to_minutes
    recorded = {
        LevelKey(product, side, price, minutes(start), minutes(end)): Level(gpus, count)
        for product, side, price, start, end, gpus, count in models.Level.objects.filter(
            product__shard=again.shard
        ).values_list("product", "side", "price_micros_per_gpu_hour", "start", "end", "gpus", "orders")
    }
    made = Depth(again.matcher).levels
    for key in sorted(recorded.keys() | made.keys()):
        if recorded.get(key) != made.get(key):
            yield f"Level {key} shows {recorded.get(key)}; the open orders say {made.get(key)}."


def _crossed_books(again: Replay) -> Iterator[str]:
    """Bids that could trade at once. A halted product may hold some, from offers that wait for its end.

    A bid that has fills from one node may rest across the offers of others (rule M13).
    """
    for book in again.matcher.books.values():
        for bid in book.bids:
            for ask in book.asks.covering(-bid.price, bid.start, bid.end):
                may_meet = bid.one_node <= 0 or bid.one_node == ask.node
                if may_meet and ask.available(bid.start, bid.end):
                    yield f"Orders {bid.number} and {ask.number} cross and rest."
                    break


def _hash_of(snapshot: Snapshot) -> str:
    """The hash of a snapshot's state, in the newest format whatever format it was written in."""
    state = _state_of(snapshot)
    return snapshot.state_hash if state is None else engine.state_hash(engine.restore(state))


def _state_of(snapshot: Snapshot) -> bytes | None:
    """The state that `engine.dump` gave, or None if it is damaged."""
    try:
        state = zlib.decompress(bytes(snapshot.state))
    except zlib.error:
        return None
    return state if sha256(state).hexdigest() == snapshot.state_hash else None


def _broken_snapshots(shard: int) -> Iterator[str]:
    for snapshot in Snapshot.objects.filter(shard=shard).order_by("-sequence")[:3]:
        if _state_of(snapshot) is None:
            yield f"{snapshot} is damaged."
