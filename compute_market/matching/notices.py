"""Notices for traders: their orders fill or expire. They are made of the market's record, some seconds later.

Trades are written ten thousand a second, and most belong to programs, so clearing writes no notices. A sweep
reads the trades and the expiries of a shard in their order, and moves a cursor in the transaction in which it
writes the notices: each is written once, and none is left out (docs/adr/0223).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_noop

from compute_market.matching.models import Command, Cursor, NoticeCursor, Order, Trade
from foundation.held_rows import held_row
from hub.interface import NamespaceNotice, NoticeKind, tell_namespaces, visited_namespaces

SPAN = 20_000
"""Events, and commands, that one transaction reads at most."""
State = Order.State
# States after a trade: an order that takes what is offered is cancelled in the same step.
TRADED = (State.FILLED, State.PARTIALLY_FILLED, State.CANCELLED)
NOTICES = {
    State.FILLED: (
        NoticeKind.FILL,
        gettext_noop("Order #%(order)s is filled: %(gpus)s GPUs of %(product)s."),
    ),
    State.PARTIALLY_FILLED: (
        NoticeKind.FILL,
        gettext_noop("Order #%(order)s has its first fill: %(percent)s%% of %(gpus)s GPUs of %(product)s."),
    ),
    State.CANCELLED: (
        NoticeKind.FILL,
        gettext_noop(
            "Order #%(order)s is filled to %(percent)s%% of %(gpus)s GPUs of %(product)s. "
            "The rest is cancelled."
        ),
    ),
    State.EXPIRED: (
        NoticeKind.EXPIRY,
        gettext_noop("Order #%(order)s for %(gpus)s GPUs of %(product)s has expired, %(percent)s%% filled."),
    ),
}
"""State of an order → kind and text of the notice."""


def tell_traders(*, now: datetime) -> int:
    """Notify traders of what every shard has done since the last run; returns how many notices were due."""
    told = 0
    for shard in Cursor.objects.order_by("pk").values_list("pk", flat=True):
        while (count := _tell_shard(shard, now)) is not None:
            told += count
    return told


def _tell_shard(shard: int, now: datetime) -> int | None:
    """Write the notices of the next span of a shard; None if there is nothing new."""
    with transaction.atomic(durable=True):
        NoticeCursor.objects.get_or_create(shard_id=shard)
        told = held_row(NoticeCursor.objects.select_for_update().filter(shard=shard))
        drained = Cursor.objects.get(shard=shard)
        event_number = min(drained.event_number, told.event_number + SPAN)
        sequence = min(drained.sequence, told.sequence + SPAN)
        if (event_number, sequence) == (told.event_number, told.sequence):
            return None
        trades = Trade.objects.filter(shard=shard, sequence__gt=told.event_number, sequence__lte=event_number)
        expiries = Command.objects.filter(
            shard=shard, sequence__gt=told.sequence, sequence__lte=sequence, kind=Command.Kind.EXPIRE
        )
        notices = [
            *_notices(trades.values("buy"), TRADED),
            *_notices(trades.values("sell"), TRADED),
            *_notices(expiries.values("order"), [State.EXPIRED]),
        ]
        if notices:
            tell_namespaces(notices, now=now)
        told.event_number, told.sequence = event_number, sequence
        told.save()
    return len(notices)


def _notices(orders: QuerySet[Any, Any], states: Iterable[str]) -> list[NamespaceNotice]:
    """The notices of some orders, if they are in one of the states and belong to users of the pages."""
    found = Order.objects.filter(
        pk__in=orders, state__in=states, account__namespace__in=visited_namespaces().values("pk")
    )
    return [
        NamespaceNotice(
            namespace_id=order.account.namespace_id,
            kind=NOTICES[State(order.state)][0],
            key=f"order/{order.pk}/{order.state}",
            message=NOTICES[State(order.state)][1],
            params={
                "order": order.pk,
                "gpus": order.gpus,
                "product": order.product.slug,
                "percent": order.filled_gpu_minutes * 100 // order.total_gpu_minutes,
            },
            address=f"/market/orders/{order.pk}",
        )
        for order in found.select_related("account", "product").order_by("pk")
        if order.account.namespace_id is not None
    ]
