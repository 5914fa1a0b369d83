"""Events of the streams: the data of each is one line of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from compute_market import quantities
from compute_market.api.answers import fields
from compute_market.api.answers.accounts import AccountKind, BalanceAnswer
from compute_market.api.answers.leases import LeaseState
from compute_market.api.answers.market_data import BookAnswer
from compute_market.api.answers.orders import OrderState
from compute_market.api.base import moment
from compute_market.leases.lifecycle import LeaseChange
from compute_market.ledger import account_events
from compute_market.matching import news
from compute_market.matching.clearing.account_changes import FillChange, OrderChange
from foundation.answers import Answer, shown

Number = Annotated[int, shown(4711, "The event's number; the `id` of its event.")]


class BookTrade(Answer):
    """A trade of a batch."""

    sequence: Annotated[int, shown(4711)]
    taker_side: fields.Side
    price_micros_per_gpu_hour: fields.Price
    gpus: fields.Gpus
    start: fields.Moment
    end: fields.End

    @classmethod
    def of(cls, trade: news.TradeNews) -> Self:
        return cls(
            sequence=trade.sequence,
            taker_side=fields.SIDE_WORDS[trade.taker_side],
            price_micros_per_gpu_hour=trade.price_micros_per_gpu_hour,
            gpus=trade.gpus,
            start=moment(quantities.from_minutes(trade.start)),
            end=moment(quantities.from_minutes(trade.end)),
        )


class BookLevel(Answer):
    """A level of the book as it is now; 0 GPUs: it is gone."""

    side: fields.Side
    price_micros_per_gpu_hour: fields.Price
    start: fields.Moment
    end: fields.End
    gpus: fields.Gpus

    @classmethod
    def of(cls, level: news.LevelNews) -> Self:
        return cls(
            side=fields.SIDE_WORDS[level.side],
            price_micros_per_gpu_hour=level.price_micros_per_gpu_hour,
            start=moment(quantities.from_minutes(level.start)),
            end=moment(quantities.from_minutes(level.end)),
            gpus=level.gpus,
        )


class BookDelta(Answer):
    """The changes of a product's book by one batch."""

    sequence: Number
    trades: list[BookTrade]
    levels: list[BookLevel]

    @classmethod
    def of(cls, number: int, told: news.News) -> Self:
        return cls(
            sequence=number,
            trades=[BookTrade.of(trade) for trade in told.trades],
            levels=[BookLevel.of(level) for level in told.levels],
        )


class SnapshotEvent(Answer):
    """The book as it is; what was built before is to be thrown away."""

    id: Number
    event: Literal["snapshot"]
    data: BookAnswer


class DeltaEvent(Answer):
    """The changes since the event before."""

    id: Number
    event: Literal["delta"]
    data: BookDelta


class ChangedOrder(Answer):
    """An order as a commit left it; `version` says which of two is newer."""

    id: fields.OrderId
    client_order_id: fields.ClientOrderId
    product: fields.Product | None
    side: fields.Side
    limit_price: fields.Price
    gpus: fields.Gpus
    state: OrderState
    reason: fields.Reason
    filled_gpu_minutes: fields.GpuMinutes
    open_gpu_minutes: fields.GpuMinutes
    cancelled_gpu_minutes: Annotated[fields.GpuMinutes, shown(0)]
    version: Annotated[int, shown(2)]

    @classmethod
    def of(cls, change: OrderChange, products: Mapping[int, str]) -> Self:
        return cls(
            id=change.order,
            client_order_id=change.client_order_id,
            product=products.get(change.product),
            side=fields.SIDE_WORDS[change.side],
            limit_price=change.price_micros_per_gpu_hour,
            gpus=change.gpus,
            state=change.state,
            reason=change.reason,
            filled_gpu_minutes=change.filled_gpu_minutes,
            open_gpu_minutes=change.open_gpu_minutes,
            cancelled_gpu_minutes=change.cancelled_gpu_minutes,
            version=change.version,
        )


class NewFill(Answer):
    """A fill of an order of the account."""

    id: Annotated[int, shown(9)]
    order: fields.OrderId
    product: fields.Product | None
    side: fields.Side
    liquidity: Annotated[str, shown("taker", words=["taker", "maker"])]
    price_micros_per_gpu_hour: fields.Price
    gpus: fields.Gpus
    start: fields.Moment
    end: fields.End
    notional_micros: fields.Micros
    fee_micros: Annotated[fields.Micros, shown(2_304_000)]

    @classmethod
    def of(cls, change: FillChange, products: Mapping[int, str]) -> Self:
        return cls(
            id=change.trade,
            order=change.order,
            product=products.get(change.product),
            side=fields.SIDE_WORDS[change.side],
            liquidity="taker" if change.is_taker else "maker",
            price_micros_per_gpu_hour=change.price_micros_per_gpu_hour,
            gpus=change.gpus,
            start=moment(quantities.from_minutes(change.start)),
            end=moment(quantities.from_minutes(change.end)),
            notional_micros=change.notional_micros,
            fee_micros=change.fee_micros,
        )


class ChangedLease(Answer):
    """A lease as a commit left it."""

    id: fields.LeaseId
    order: fields.OrderId | None
    product: fields.Product | None
    node: Annotated[int, shown(3)]
    gpus: fields.Gpus
    start: fields.Moment
    end: fields.End
    state: LeaseState
    reason: fields.Reason

    @classmethod
    def of(cls, change: LeaseChange, products: Mapping[int, str]) -> Self:
        return cls(
            id=change.lease,
            order=change.order,
            product=products.get(change.product),
            node=change.node,
            gpus=change.gpus,
            start=moment(datetime.fromtimestamp(change.start, UTC)),
            end=moment(datetime.fromtimestamp(change.end, UTC)),
            state=change.state,
            reason=change.reason,
        )


class AccountChange(Answer):
    """The changes of an account by one commit."""

    number: Number
    at: fields.Moment
    orders: list[ChangedOrder]
    fills: list[NewFill]
    leases: list[ChangedLease]
    balances: list[BalanceAnswer]

    @classmethod
    def of(cls, event: account_events.NumberedEvent, products: Mapping[int, str]) -> Self:
        changed = event.payload
        return cls(
            number=event.number,
            at=moment(event.at),
            orders=[
                ChangedOrder.of(OrderChange(*row), products) for row in changed.get(account_events.ORDERS, ())
            ],
            fills=[NewFill.of(FillChange(*row), products) for row in changed.get(account_events.FILLS, ())],
            leases=[
                ChangedLease.of(LeaseChange(*row), products) for row in changed.get(account_events.LEASES, ())
            ],
            balances=[_balance(*row) for row in changed.get(account_events.BALANCES, ())],
        )


def _balance(kind: AccountKind, balance: int, held: int) -> BalanceAnswer:
    return BalanceAnswer(kind=kind, balance_micros=balance, held_micros=held, available_micros=balance - held)


class SnapshotAddresses(Answer):
    """Addresses of the present state, to which the changes that follow are applied."""

    orders: str = "/api/market/v1/orders?state=live"
    leases: str = "/api/market/v1/leases?state=live"
    balance: str = "/api/market/v1/balance"
    fills: str = "/api/market/v1/fills"


class StreamStart(Answer):
    number: Number
    snapshot: SnapshotAddresses


class StartEvent(Answer):
    """The beginning. `gap`: what was built before is to be thrown away."""

    id: Number
    event: Literal["start", "gap"]
    data: StreamStart


class ChangeEvent(Answer):
    """The changes by one commit."""

    id: Number
    event: Literal["change"]
    data: AccountChange
