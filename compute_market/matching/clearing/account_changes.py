"""The changes of a batch for each account, in the form of the events of its owner's stream.

Events are kept as JSON arrays, whose places are the fields of these types: a new field comes last.
"""

from __future__ import annotations

from typing import NamedTuple

from compute_market import quantities
from compute_market.matching.clearing.order_states import OrderState
from compute_market.matching.clearing.rows import TradeRow
from compute_market.matching.engine.commands import Side
from foundation.rows import maker

BUY, SELL = Side.BUY.value, Side.SELL.value


class OrderChange(NamedTuple):
    """An order as it stands after a batch; quantities in GPU-minutes."""

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
    """One side of a trade; `start` and `end` in minutes since the epoch."""

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


make_order_change, make_fill_change = maker(OrderChange), maker(FillChange)


def order_change(order: OrderState) -> OrderChange:
    """An order as it stands."""
    return make_order_change(
        order=order.pk,
        client_order_id=order.client_order_id,
        product=order.product_id,
        side=order.side,
        price_micros_per_gpu_hour=order.price_micros_per_gpu_hour,
        gpus=order.gpus,
        state=order.state,
        filled_gpu_minutes=order.filled_gpu_minutes,
        open_gpu_minutes=order.open_gpu_minutes,
        cancelled_gpu_minutes=order.cancelled_gpu_minutes,
        version=order.version,
        reason=order.reason,
    )


def fill_changes(trade_id: int, trade: TradeRow) -> tuple[FillChange, FillChange]:
    """A trade as its buyer sees it, and as its seller does."""
    start, end = quantities.to_minutes(trade.start), quantities.to_minutes(trade.end)
    buyer_takes = trade.taker_side == BUY
    bought = make_fill_change(
        trade=trade_id,
        order=trade.buy_id,
        product=trade.product_id,
        side=BUY,
        is_taker=buyer_takes,
        price_micros_per_gpu_hour=trade.price_micros_per_gpu_hour,
        gpus=trade.gpus,
        start=start,
        end=end,
        notional_micros=trade.notional_micros,
        fee_micros=trade.buy_fee_micros,
    )
    sold = make_fill_change(
        trade=trade_id,
        order=trade.sell_id,
        product=trade.product_id,
        side=SELL,
        is_taker=not buyer_takes,
        price_micros_per_gpu_hour=trade.price_micros_per_gpu_hour,
        gpus=trade.gpus,
        start=start,
        end=end,
        notional_micros=trade.notional_micros,
        fee_micros=trade.sell_fee_micros,
    )
    return bought, sold
