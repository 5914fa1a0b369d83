"""Orders, their fills and amendments, and why one has not filled."""

from __future__ import annotations

from typing import Annotated, Any, Self

from msgspec import UNSET, Meta, UnsetType

from compute_market import quantities
from compute_market.api.answers import fields
from compute_market.api.answers.market_data import SupplierAnswer
from compute_market.api.answers.refusals import MarketProblem
from compute_market.api.base import moment
from compute_market.matching.models import Order
from compute_market.matching.views import explain, fills, offering, selectors
from foundation.answers import Answer, shown
from foundation.clock import database_now

FILLS_SHOWN = 20
FORCE_WORDS = {force.value: force.name.lower() for force in Order.TimeInForce}
SELF_TRADE_WORDS = {mode.value: mode.name.lower() for mode in Order.SelfTrade}
AMENDMENT_WORDS = {None: "pending", True: "accepted", False: "refused"}
MISSES = [
    *("several", "dearer", "cheaper", "later", "earlier", "shorter", "longer", "sold"),
    *("region", "tier", "interconnect", "gpu", "halted", "node", "bond"),
]

OrderState = Annotated[str, shown("partially_filled", words=[str(state) for state in Order.State.values])]


class OrderAnswer(Answer, kw_only=True):
    """An order, with limit, hold, fee and worst-case total of what is still open."""

    id: fields.OrderId
    client_order_id: fields.ClientOrderId
    account: fields.Account | None
    product: fields.Product
    side: fields.Side
    type: Annotated[str, shown("limit", words=["limit", "market"])]
    gpus: fields.Gpus
    filled_gpus: Annotated[float, shown(2.0, "GPU-minutes over the minutes of the window.")]
    open_gpus: Annotated[float, shown(6.0)]
    filled_gpu_minutes: fields.GpuMinutes
    open_gpu_minutes: Annotated[fields.GpuMinutes, shown(8640)]
    cancelled_gpu_minutes: Annotated[fields.GpuMinutes, shown(0)]
    start: fields.Moment
    end: fields.End
    limit_price: fields.Price
    time_in_force: Annotated[str, shown("gtc", words=list(FORCE_WORDS.values()))]
    expires_at: fields.Moment
    post_only: bool
    self_trade: Annotated[str, shown("cancel_newest", words=list(SELF_TRADE_WORDS.values()))]
    node: Annotated[int, shown(3, "Of a sell: the node that it offers.")] | None
    lease: Annotated[int, shown(17, "Of a sell: the lease that it offers.")] | None
    same_node: Annotated[bool, shown(True, "All GPUs come from one node.")]
    extends: Annotated[int, shown(17, "The lease that this buy carries on.")] | None
    client_note: Annotated[str, shown("nightly run", "The trader's own note.")]
    state: OrderState
    reason: fields.Reason
    version: Annotated[int, shown(2)]
    hold_micros: Annotated[fields.Micros, shown(1_729_728_000)]
    fee_micros: Annotated[fields.Micros, shown(1_728_000)]
    worst_case_total_micros: Annotated[fields.Micros, shown(1_729_728_000)]
    placed_at: fields.Moment
    changed_at: fields.Moment

    @classmethod
    def of(cls, order: Order) -> Self:
        minutes = order.minutes
        notional = quantities.notional_micros(
            gpu_minutes=order.open_gpu_minutes, price_micros_per_gpu_hour=order.price_micros_per_gpu_hour
        )
        is_buy = order.side == Order.Side.BUY
        bps = max(order.maker_fee_bps, order.taker_fee_bps)
        fee = quantities.share_micros(amount_micros=notional, bps=bps)
        return cls(
            id=order.pk,
            client_order_id=order.client_order_id,
            account=order.account.namespace.name if order.account.namespace else None,
            product=order.product.slug,
            side=fields.SIDE_WORDS[order.side],
            type="market" if order.is_market else "limit",
            gpus=order.gpus,
            filled_gpus=order.filled_gpu_minutes / minutes if minutes else 0,
            open_gpus=order.open_gpu_minutes / minutes if minutes else 0,
            filled_gpu_minutes=order.filled_gpu_minutes,
            open_gpu_minutes=order.open_gpu_minutes,
            cancelled_gpu_minutes=order.cancelled_gpu_minutes,
            start=moment(order.start),
            end=moment(order.end),
            limit_price=order.price_micros_per_gpu_hour,
            time_in_force=FORCE_WORDS[order.time_in_force],
            expires_at=moment(order.expires_at),
            post_only=order.post_only,
            self_trade=SELF_TRADE_WORDS[order.self_trade],
            node=order.node_id,
            lease=order.lease_id,
            same_node=order.same_node,
            extends=order.extends_id,
            client_note=order.client_note,
            state=order.state,
            reason=order.reason,
            version=order.version,
            hold_micros=order.hold_micros if is_buy else 0,
            fee_micros=fee,
            worst_case_total_micros=notional + fee if is_buy else notional - fee,
            placed_at=moment(order.placed_at),
            changed_at=moment(order.changed_at),
        )


class OrdersAnswer(Answer):
    items: list[OrderAnswer]
    next: fields.Cursor | None


class FillAnswer(Answer):
    """One side of a trade, as the account that placed its order sees it."""

    id: Annotated[int, shown(9)]
    at: fields.Moment
    order: fields.OrderId
    client_order_id: fields.ClientOrderId
    product: fields.Product
    side: fields.Side
    liquidity: Annotated[str, shown("taker", words=["taker", "maker"])]
    price_micros_per_gpu_hour: fields.Price
    gpus: fields.Gpus
    start: fields.Moment
    end: fields.End
    notional_micros: fields.Micros
    fee_micros: Annotated[fields.Micros, shown(2_304_000)]
    total_micros: Annotated[fields.Micros, shown(2_306_304_000)]
    lease: Annotated[int, shown(17, "The lease that it brought, or was sold as.")] | None

    @classmethod
    def of(cls, fill: fills.Fill) -> Self:
        trade = fill.trade
        return cls(
            id=trade.pk,
            at=moment(trade.at),
            order=fill.order.pk,
            client_order_id=fill.order.client_order_id,
            product=fill.order.product.slug,
            side="buy" if fill.is_buy else "sell",
            liquidity="taker" if fill.is_taker else "maker",
            price_micros_per_gpu_hour=trade.price_micros_per_gpu_hour,
            gpus=trade.gpus,
            start=moment(trade.start),
            end=moment(trade.end),
            notional_micros=trade.notional_micros,
            fee_micros=fill.fee_micros,
            total_micros=fill.total_micros,
            lease=fill.lease_id,
        )


class FillsAnswer(Answer):
    items: list[FillAnswer]
    next: fields.Cursor | None


class DecidedOrder(OrderAnswer, kw_only=True):
    """An order with the sums of its fills, where there are any and the call waited for them (`wait`)."""

    average_price_micros_per_gpu_hour: fields.Price | UnsetType | None = UNSET
    filled_notional_micros: fields.Micros | UnsetType = UNSET
    filled_fee_micros: Annotated[fields.Micros, shown(2_304_000)] | UnsetType = UNSET
    filled_total_micros: Annotated[fields.Micros, shown(2_306_304_000)] | UnsetType = UNSET

    @classmethod
    def filled(cls, order: Order) -> Self:
        return OrderAnswer.of(order).widened(cls, **_sums(order))


class AmendmentAnswer(Answer):
    """The change that was asked of an order last; null: it was not asked to change."""

    limit_price: Annotated[fields.Price, shown(12_060_000)] | None
    gpus: fields.Gpus | None
    state: Annotated[str, shown("refused", words=list(AMENDMENT_WORDS.values()))]
    reason: Annotated[str, shown("would_trade", "Why it was refused, as a word.")]

    @classmethod
    def newest(cls, order: Order) -> Self | None:
        amendment = selectors.newest_amendment(order)
        if amendment is None:
            return None
        return cls(
            limit_price=amendment.price_micros,
            gpus=amendment.gpus,
            state=AMENDMENT_WORDS[amendment.accepted],
            reason=amendment.reason,
        )


class OrderDetail(OrderAnswer, kw_only=True):
    """One order, its newest fills and their sums, the change last asked of it, and its possible suppliers."""

    average_price_micros_per_gpu_hour: fields.Price | None
    filled_notional_micros: fields.Micros
    filled_fee_micros: Annotated[fields.Micros, shown(2_304_000)]
    filled_total_micros: Annotated[fields.Micros, shown(2_306_304_000)]
    fills: Annotated[list[FillAnswer], Meta(description="The newest 20, newest first.")]
    fills_url: Annotated[str, shown("/api/market/v1/fills?order=42", "All of them.")]
    suppliers: list[SupplierAnswer]
    amendment: AmendmentAnswer | None

    @classmethod
    def of(cls, order: Order) -> Self:
        suppliers = SupplierAnswer.several(offering.of_order(order, now=database_now()))
        return OrderAnswer.of(order).widened(
            cls,
            **_sums(order),
            fills=[FillAnswer.of(fill) for fill in fills.newest(order, most=FILLS_SHOWN)],
            fills_url=f"/api/market/v1/fills?order={order.pk}",
            suppliers=suppliers,
            amendment=AmendmentAnswer.newest(order),
        )


def _sums(order: Order) -> dict[str, Any]:
    """The fields that say what an order's fills came to."""
    found = fills.filled(order)
    return {
        "average_price_micros_per_gpu_hour": found.average_price_micros,
        "filled_notional_micros": found.notional_micros,
        "filled_fee_micros": found.fee_micros,
        "filled_total_micros": found.total_micros,
    }


class BulkResult(Answer):
    """The answer to one order of a bulk: the order, or its refusal."""

    order: OrderAnswer | UnsetType = UNSET
    error: MarketProblem | UnsetType = UNSET


class BulkAnswer(Answer):
    results: Annotated[list[BulkResult], Meta(description="One for each order of the body, in their order.")]


class Cancelling(Answer):
    cancelling: Annotated[int, shown(3, "How many orders end.")]


class CancelAfterAnswer(Answer):
    cancel_at: Annotated[fields.Moment, Meta(description="null: not any more.")] | None


class MissAnswer(Answer):
    """One thing that nearly fits: `gpus` could be had (or sold) over the window at the price."""

    what: Annotated[str, shown("dearer", "What would have to be different.", words=MISSES)]
    text: Annotated[str, shown("8 GPUs for 0.12 more per GPU-hour.", "A sentence for people.")]
    product: fields.Product
    gpus: fields.Gpus
    price_micros_per_gpu_hour: Annotated[fields.Price, shown(12_120_000)] | None
    difference_micros: Annotated[int, shown(120_000, "Of the price, per GPU-hour.")]
    hours: Annotated[int, shown(0, "By how many the window moves, shrinks or grows.")]
    start: fields.Moment | None
    end: fields.End | None

    @classmethod
    def of(cls, miss: explain.Miss) -> Self:
        return cls(
            what=miss.what,
            text=miss.text,
            product=miss.product,
            gpus=miss.gpus,
            price_micros_per_gpu_hour=miss.price_micros,
            difference_micros=miss.difference_micros,
            hours=miss.hours,
            start=moment(miss.start) if miss.start else None,
            end=moment(miss.end) if miss.end else None,
        )


class ExplainAnswer(Answer):
    """The reasons that an order has not filled."""

    order: fields.OrderId
    state: OrderState
    reason: fields.Reason
    misses: list[MissAnswer]
