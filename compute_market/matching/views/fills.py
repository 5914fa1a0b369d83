"""Own fills: what each side of a trade paid or got."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet, Sum

from compute_market import quantities
from compute_market.leases import selectors as leases
from compute_market.matching.models import Order, Trade
from compute_market.matching.views import selectors
from hub.interface import Principal


@dataclass(frozen=True, slots=True)
class Fill:
    """One side of a trade, as who placed its order sees it. `lease_id`: what it brought, or was sold as."""

    trade: Trade
    order: Order
    lease_id: int | None

    @property
    def is_buy(self) -> bool:
        return self.order.side == Order.Side.BUY

    @property
    def is_taker(self) -> bool:
        return self.trade.taker_side == self.order.side

    @property
    def fee_micros(self) -> int:
        return self.trade.buy_fee_micros if self.is_buy else self.trade.sell_fee_micros

    @property
    def total_micros(self) -> int:
        """The cost of a buy with its fee; the proceeds of a sell after its fee, if all of it is delivered."""
        notional = self.trade.notional_micros
        return notional + self.fee_micros if self.is_buy else notional - self.fee_micros


@dataclass(frozen=True, slots=True)
class Filled:
    """The totals of an order's fills, in micro-credits; the average price by GPU-hours is rounded down."""

    notional_micros: int
    fee_micros: int
    total_micros: int
    average_price_micros: int | None


def orders_of(*, actor: Principal, side: int | None = None) -> QuerySet[Order]:
    """The actor's own orders, of one side if that is named. Raises: Unauthenticated, TradeScopeMissing."""
    mine = selectors.orders(actor=actor)
    return mine if side is None else mine.filter(side=side)


def trades_of(orders: QuerySet[Order]) -> QuerySet[Trade]:
    """The trades in which any of these orders is a side, newest first."""
    own = orders.order_by().values("pk")
    return (
        Trade.objects.filter(Q(buy__in=own) | Q(sell__in=own))
        .select_related("buy__product", "sell__product")
        .order_by("-pk")
    )


def sides(trades: Sequence[Trade], orders: QuerySet[Order]) -> list[Fill]:
    """The fills of these orders in these trades, in their order; a trade between two of them is two fills."""
    ends = {trade.buy_id for trade in trades} | {trade.sell_id for trade in trades}
    own = set(orders.order_by().filter(pk__in=ends).values_list("pk", flat=True))
    brought = leases.leases_of_trades([trade.pk for trade in trades])
    return [
        Fill(trade, order, brought.get(trade.pk))
        for trade in trades
        for order in (trade.buy, trade.sell)
        if order.pk in own
    ]


def newest(order: Order, *, most: int) -> list[Fill]:
    """The newest fills of one order, newest first."""
    own = Order.objects.filter(pk=order.pk)
    return sides(list(trades_of(own)[:most]), own)


def filled(order: Order) -> Filled:
    """The totals of an order's fills."""
    is_buy = order.side == Order.Side.BUY
    fee_name = "buy_fee_micros" if is_buy else "sell_fee_micros"
    found = (order.trades_as_buy if is_buy else order.trades_as_sell).aggregate(
        notional=Sum("notional_micros"), fee=Sum(fee_name)
    )
    notional, fee = found["notional"] or 0, found["fee"] or 0
    minutes = order.filled_gpu_minutes
    return Filled(
        notional_micros=notional,
        fee_micros=fee,
        total_micros=notional + fee if is_buy else notional - fee,
        average_price_micros=(
            quantities.average_price_micros(notional_micros=notional, gpu_minutes=minutes)
            if minutes
            else None
        ),
    )
