"""Reads of the market's record for users."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from compute_market.ledger import budgets, policies
from compute_market.matching.engine.commands import Amend
from compute_market.matching.errors import OrderNotFound
from compute_market.matching.models import Command, Cursor, Intake, Level, Order, Outcome, Trade
from compute_market.matching.views import reasons
from foundation.database import bulk_sql
from foundation.database.compiled import CompiledQuery
from foundation.database.cursors import prepared_cursor
from hub.interface import Principal


def orders(*, actor: Principal) -> QuerySet[Order]:
    """Orders of the namespaces that the actor trades for, newest first; of a capped token those it placed.

    Raises: Unauthenticated, TradeScopeMissing.
    """
    policies.require_market_scope(actor)
    mine = Order.objects.select_related("account__namespace", "product", "node")
    if not actor.is_system:
        mine = mine.filter(account__namespace__in=policies.buying_namespaces(actor))
    if policies.is_capped(actor):
        mine = mine.filter(pk__in=budgets.order_numbers(actor))
    return mine.order_by("-pk")


def get_order(*, actor: Principal, order_id: int) -> Order:
    """One order. Raises: OrderNotFound, also for somebody else's."""
    order = orders(actor=actor).filter(pk=order_id).first()
    if order is None:
        raise OrderNotFound
    return order


def sales_of_lease(lease_id: int) -> list[Order]:
    """The live orders by which a holder sells a lease or a part of it, oldest first."""
    return list(Order.objects.live().filter(side=Order.Side.SELL, lease=lease_id).order_by("pk"))


def is_pending(order_id: int) -> bool:
    """True if an order is undecided. Callers that wait for a decision ask this again and again."""
    sql = f"SELECT 1 FROM {bulk_sql.table_of(Order)} WHERE id = %s AND state = 'pending'"  # noqa: S608
    with prepared_cursor() as cursor:
        cursor.execute(sql, [order_id])
        return cursor.fetchone() is not None


def is_placed(account_id: int, client_order_id: str) -> bool:
    """True if the account placed an order under that id."""
    placed = Command.objects.filter(kind=Command.Kind.NEW, account=account_id)
    return placed.filter(client_order_id=client_order_id).exists()


_by_id = CompiledQuery(
    lambda pk: Order.objects.select_related("account__namespace", "product", "node").filter(pk=pk),
    pk=987_654_321,
)


def as_it_is(order: Order) -> Order:
    """An order that the caller has, as it stands now."""
    return _by_id.first(pk=order.pk) or order


def get_order_by_client_id(*, actor: Principal, namespace_id: int, client_order_id: str) -> Order:
    """The order a namespace placed under a client order id. Raises: OrderNotFound."""
    order = (
        orders(actor=actor)
        .filter(
            commands__kind="new",
            commands__client_order_id=client_order_id,
            commands__account__namespace=namespace_id,
        )
        .first()
    )
    if order is None:
        raise OrderNotFound
    return order


@dataclass(frozen=True, slots=True)
class Amendment:
    """The newest requested change of an order. `accepted` is None until the engine has decided it."""

    price_micros: int
    gpus: int
    accepted: bool | None
    reason: str

    @property
    def said(self) -> str:
        return reasons.sentence(self.reason)


def newest_amendment(order: Order) -> Amendment | None:
    """The outcome of the last amendment of an order; None if there was none."""
    asked = Command.objects.filter(kind=Command.Kind.AMEND, order=order.pk).order_by("-sequence").first()
    if asked is None:
        return None
    change = Amend(asked.sequence, *asked.body)
    outcome = Outcome.objects.filter(shard=asked.shard_id, sequence=asked.sequence).first()
    return Amendment(
        price_micros=change.price,
        gpus=change.gpus,
        accepted=outcome.accepted if outcome else None,
        reason=outcome.reason if outcome else "",
    )


def trades(*, product_id: int) -> QuerySet[Trade]:
    """Trades of a product, newest first: public."""
    return Trade.objects.filter(product=product_id).order_by("-pk")


def depth(*, product_id: int) -> QuerySet[Level]:
    """The levels of a product's book."""
    return Level.objects.filter(product=product_id)


def open_asks() -> QuerySet[Level]:
    """The levels of all books at which GPUs are offered: public."""
    return Level.objects.filter(side=Order.Side.SELL, gpus__gt=0)


def asks(*, product_id: int, start: datetime, end: datetime, limit: int) -> list[tuple[int, int]]:
    """(price, GPUs) of the offers that a window can be had of, the cheapest first."""
    return _summed(product_id, 'side = -1 AND start <= %s AND "end" >= %s', "ASC", [start, end, limit])


def bids(*, product_id: int, start: datetime, end: datetime, limit: int) -> list[tuple[int, int]]:
    """(price, GPUs) of the bids for some or all of a window, the dearest first."""
    return _summed(product_id, 'side = 1 AND start >= %s AND "end" <= %s', "DESC", [start, end, limit])


def _summed(product_id: int, condition: str, order: str, params: list[Any]) -> list[tuple[int, int]]:
    """The database sums a side up from its best price on, so a deep book costs no more than a shallow one."""
    sql = (
        f"SELECT price_micros_per_gpu_hour, SUM(gpus) FROM {bulk_sql.table_of(Level)}"  # noqa: S608 - our own words
        f" WHERE product_id = %s AND {condition}"
        f" GROUP BY price_micros_per_gpu_hour ORDER BY price_micros_per_gpu_hour {order} LIMIT %s"
    )
    adapt = connection.ops.adapt_datetimefield_value
    with prepared_cursor() as cursor:
        cursor.execute(sql, [product_id, *(adapt(p) if isinstance(p, datetime) else p for p in params)])
        return [(price, gpus) for price, gpus in cursor.fetchall()]


def backlog() -> dict[int, int]:
    """Shard → commands accepted and not drained yet."""
    done = dict(Cursor.objects.values_list("shard", "sequence"))
    taken = Intake.objects.values_list("shard", "last_sequence")
    return {shard: last - done.get(shard, 0) for shard, last in taken}
