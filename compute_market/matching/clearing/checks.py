"""Invariants of orders and trades. They are checked after every market test and by `manage.py
audit_market`.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from compute_market.leases.models import JoinedFill, Lease
from compute_market.ledger.models import Reservation
from compute_market.matching import holds
from compute_market.matching.clearing import replay
from compute_market.matching.models import Command, Cursor, Order, Outcome, Trade
from compute_market.offers.models import GpuHold


def audit() -> list[str]:
    """Every broken rule as one sentence; an empty list means that the market is right."""
    return [
        *_commands_without_outcome(),
        *_trades_outside_a_limit(),
        *_money_holds(),
        *_gpu_holds(),
        *_trades_without_lease(),
        *_differences_from_the_log(),
    ]


def _commands_without_outcome() -> Iterator[str]:
    drained = Cursor.objects.filter(shard=OuterRef("shard"), sequence__gte=OuterRef("sequence"))
    done = Command.objects.filter(Exists(drained))
    for command in done.filter(kind=Command.Kind.NEW, order__state=Order.State.PENDING)[:20]:
        yield f"The {command} was drained, and its order is still pending."
    told = Outcome.objects.filter(shard=OuterRef("shard"), sequence=OuterRef("sequence"))
    for command in done.exclude(kind=Command.Kind.NEW).filter(~Exists(told))[:20]:
        yield f"The {command} was drained without an outcome."


def _trades_outside_a_limit() -> Iterator[str]:
    """An order that was amended may have traded under another limit; its replay tells."""
    amended = Command.objects.filter(kind=Command.Kind.AMEND)
    outside = Trade.objects.filter(
        Q(price_micros_per_gpu_hour__gt=F("buy__price_micros_per_gpu_hour"))
        & ~Exists(amended.filter(order=OuterRef("buy")))
        | Q(price_micros_per_gpu_hour__lt=F("sell__price_micros_per_gpu_hour"))
        & ~Exists(amended.filter(order=OuterRef("sell")))
    )
    for trade in outside[:20]:
        yield f"The {trade} lies outside a limit."


def _money_holds() -> Iterator[str]:
    buys = Order.objects.filter(side=Order.Side.BUY)
    for order in _without_open_hold(buys.live())[:20]:
        yield f"The live buy {order.pk} holds no money."
    for order in buys.exclude(state__in=Order.LIVE).filter(reservation__state=Reservation.State.OPEN)[:20]:
        yield f"The finished buy {order.pk} still holds money."
    for order in buys.live().select_related("reservation"):
        if order.reservation is None:
            continue
        held = order.reservation.amount_micros - order.reservation.drawn_micros
        if held != order.hold_micros:
            yield f"The live buy {order.pk} holds {held}; what is open of it needs {order.hold_micros}."
    pending = Cursor.objects.filter(shard=OuterRef("shard"), sequence__gte=OuterRef("sequence"))
    extra = Command.objects.filter(Exists(pending), reservation__state=Reservation.State.OPEN)
    for command in extra[:20]:
        yield f"The decided amendment {command} still holds money."


def _without_open_hold(orders: QuerySet[Order]) -> QuerySet[Order]:
    return orders.exclude(reservation__state=Reservation.State.OPEN)


def _gpu_holds() -> Iterator[str]:
    live = Order.objects.live().filter(side=Order.Side.SELL)
    expected = {
        holds.cause_of(account_id=account, client_order_id=name)
        for account, name in live.values_list("account", "client_order_id")
    }
    held = set(GpuHold.objects.open().filter(cause__startswith="order/").values_list("cause", flat=True))
    for cause in sorted(expected - held)[:20]:
        yield f"The live sell {cause} holds no GPUs."
    for cause in sorted(held - expected)[:20]:
        yield f"The finished sell {cause} still holds GPUs."


def _trades_without_lease() -> Iterator[str]:
    leased = Lease.objects.filter(trade_number=OuterRef("pk"))
    joined = JoinedFill.objects.filter(trade_number=OuterRef("pk"))
    for trade in Trade.objects.filter(~Exists(leased), ~Exists(joined))[:20]:
        yield f"The {trade} has no lease."


def _differences_from_the_log() -> Iterator[str]:
    for shard in Cursor.objects.order_by("shard").values_list("shard", flat=True):
        yield from replay.replay(shard=shard).findings
