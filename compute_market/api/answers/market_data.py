"""Products, their books, trades, candles, tickers, offers and quotes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Self

from compute_market.api.answers import fields
from compute_market.api.base import moment
from compute_market.matching import limits
from compute_market.matching.models import Level, Trade
from compute_market.matching.views import marketdata, offering, overview
from compute_market.offers import selectors as offers
from compute_market.offers.models import CancellationTerm, Product
from foundation.answers import Answer, shown

ProductState = Annotated[str, shown("open", words=[str(state) for state in Product.State.values])]


class ProductAnswer(Answer):
    """A product and its terms."""

    product: fields.Product
    vendor: Annotated[str, shown("nvidia")]
    gpu: Annotated[str, shown("h100")]
    form: Annotated[str, shown("sxm")]
    memory_gb: Annotated[int, shown(80)]
    region: Annotated[str, shown("cn-east")]
    tier: Annotated[str, shown("reserved")]
    interconnect: Annotated[str, shown("ib")]
    lot: Annotated[int, shown(1, "Orders are for multiples of so many GPUs.")]
    tick_micros: Annotated[int, shown(60_000, "Prices are multiples of it.")]
    band_bps: Annotated[int, shown(9000, "How far a price may be from the index, in basis points.")]
    horizon_days: Annotated[int, shown(90, "How far ahead a window may end.")]
    gpus_max: Annotated[int, shown(1024, "The most GPUs of one order.")]
    state: ProductState
    maker_fee_bps: Annotated[fields.BasisPoints, shown(5)]
    taker_fee_bps: fields.BasisPoints
    cancel_free_hours: Annotated[
        int, shown(0, "Until so long before its start a lease is cancelled for free.")
    ]
    cancel_fee_bps: Annotated[fields.BasisPoints, shown(10)]

    @classmethod
    def of(cls, product: Product, term: CancellationTerm) -> Self:
        return cls(
            product=product.slug,
            vendor=product.vendor,
            gpu=product.gpu,
            form=product.form,
            memory_gb=product.memory_gb,
            region=product.region,
            tier=product.tier,
            interconnect=product.interconnect,
            lot=product.lot,
            tick_micros=product.tick_micros,
            band_bps=product.band_bps,
            horizon_days=product.horizon_days,
            gpus_max=product.gpus_max,
            state=product.state,
            maker_fee_bps=limits.maker_fee_bps(),
            taker_fee_bps=limits.taker_fee_bps(),
            cancel_free_hours=term.free_hours,
            cancel_fee_bps=term.fee_bps,
        )

    @classmethod
    def several(cls, products: Iterable[Product], *, now: datetime) -> list[Self]:
        """Products with the terms by which leases of them that are bought now can be cancelled."""
        products = list(products)
        terms = offers.cancellation_terms([product.pk for product in products], at=now)
        return [cls.of(product, terms[product.pk]) for product in products]


class ProductsAnswer(Answer):
    items: list[ProductAnswer]


class SupplierAnswer(Answer):
    """A provider with its bond, how its hardware is known, and its last 30 days."""

    provider: fields.Provider
    hardware: fields.Hardware
    is_demo: bool
    bond_micros: Annotated[fields.Micros, shown(5_000_000_000)]
    leases_30d: Annotated[int, shown(240)]
    broken_leases_30d: Annotated[int, shown(1)]
    sold_minutes_30d: Annotated[int, shown(345_600)]
    delivered_minutes_30d: Annotated[int, shown(345_210)]

    @classmethod
    def of(cls, offered: offering.Offering) -> Self:
        supplier = offered.supplier
        return cls(
            provider=supplier.name,
            hardware=offered.hardware,
            is_demo=supplier.is_demo,
            bond_micros=supplier.bond_micros,
            leases_30d=supplier.leases,
            broken_leases_30d=supplier.broken_leases,
            sold_minutes_30d=supplier.sold_minutes,
            delivered_minutes_30d=supplier.delivered_minutes,
        )

    @classmethod
    def several(cls, offerings: Iterable[offering.Offering]) -> list[Self]:
        return [cls.of(offered) for offered in offerings]


class OfferAnswer(Answer):
    """Resting asks of one price over one window."""

    product: fields.Product
    price_micros_per_gpu_hour: Annotated[fields.Price, shown(12_060_000)]
    gpus: Annotated[int, shown(16)]
    orders: Annotated[int, shown(2)]
    start: fields.Moment
    end: fields.End
    suppliers: list[SupplierAnswer]

    @classmethod
    def of(cls, level: Level, offerings: Iterable[offering.Offering]) -> Self:
        return cls(
            product=level.product.slug,
            price_micros_per_gpu_hour=level.price_micros_per_gpu_hour,
            gpus=level.gpus,
            orders=level.orders,
            start=moment(level.start),
            end=moment(level.end),
            suppliers=SupplierAnswer.several(offerings),
        )


class OffersAnswer(Answer):
    items: list[OfferAnswer]


class BookAnswer(Answer):
    """Aggregated depth over a window, best first."""

    product: fields.Product
    sequence: Annotated[int, shown(4711, "The stream goes on from it.")]
    start: fields.Moment
    end: fields.End
    bids: Annotated[list[tuple[int, int]], shown([[11_940_000, 8]], "[price, GPUs] each.")]
    asks: Annotated[list[tuple[int, int]], shown([[12_060_000, 16]], "[price, GPUs] each.")]

    @classmethod
    def of(
        cls, product: Product, *, start: datetime, end: datetime, depth: int, sequence: int | None = None
    ) -> Self:
        """`sequence`: the number of the newest news that the book has; left out, it is looked up."""
        # The number is read first: news that come in between are in the book, and told again they do no harm.
        if sequence is None:
            sequence = marketdata.last_news(product)
        book = marketdata.book(product, start=start, end=end, depth=depth)
        return cls(
            product=product.slug,
            sequence=sequence,
            start=moment(start),
            end=moment(end),
            bids=book.bids,
            asks=book.asks,
        )


class TradeAnswer(Answer):
    id: Annotated[int, shown(17)]
    sequence: Annotated[int, shown(4711)]
    at: fields.Moment
    price_micros_per_gpu_hour: fields.Price
    gpus: fields.Gpus
    start: fields.Moment
    end: fields.End
    taker_side: fields.Side

    @classmethod
    def of(cls, trade: Trade) -> Self:
        return cls(
            id=trade.pk,
            sequence=trade.sequence,
            at=moment(trade.at),
            price_micros_per_gpu_hour=trade.price_micros_per_gpu_hour,
            gpus=trade.gpus,
            start=moment(trade.start),
            end=moment(trade.end),
            taker_side=fields.SIDE_WORDS[trade.taker_side],
        )


class TradesAnswer(Answer):
    items: list[TradeAnswer]
    next: fields.Cursor | None


class CandleAnswer(Answer):
    """The trades of one period."""

    start: fields.Moment
    open_micros: Annotated[fields.Price, shown(11_820_000)]
    high_micros: Annotated[fields.Price, shown(12_060_000)]
    low_micros: Annotated[fields.Price, shown(11_760_000)]
    close_micros: fields.Price
    gpu_minutes: Annotated[fields.GpuMinutes, shown(23_040)]
    trades: Annotated[int, shown(9)]

    @classmethod
    def of(cls, candle: marketdata.Candle) -> Self:
        return cls(
            start=moment(candle.start),
            open_micros=candle.open_micros,
            high_micros=candle.high_micros,
            low_micros=candle.low_micros,
            close_micros=candle.close_micros,
            gpu_minutes=candle.gpu_minutes,
            trades=candle.trades,
        )


class CandlesAnswer(Answer):
    items: list[CandleAnswer]


class TickerAnswer(Answer):
    """One product at a glance; null where nothing traded or rests."""

    product: fields.Product
    last_micros: fields.Price | None
    day_open_micros: Annotated[fields.Price, shown(11_820_000)] | None
    day_high_micros: Annotated[fields.Price, shown(12_060_000)] | None
    day_low_micros: Annotated[fields.Price, shown(11_760_000)] | None
    day_gpu_minutes: Annotated[fields.GpuMinutes, shown(23_040)]
    day_trades: Annotated[int, shown(9)]
    best_bid_micros: Annotated[fields.Price, shown(11_940_000)] | None
    best_ask_micros: Annotated[fields.Price, shown(12_060_000)] | None
    index_micros: fields.Price | None
    band_low_micros: Annotated[fields.Price, shown(1_200_000)] | None
    band_high_micros: Annotated[fields.Price, shown(22_800_000)] | None
    is_halted: bool

    @classmethod
    def of(cls, product: Product, ticker: marketdata.Ticker) -> Self:
        return cls(
            product=product.slug,
            last_micros=ticker.last_micros,
            day_open_micros=ticker.day_open_micros,
            day_high_micros=ticker.day_high_micros,
            day_low_micros=ticker.day_low_micros,
            day_gpu_minutes=ticker.day_gpu_minutes,
            day_trades=ticker.day_trades,
            best_bid_micros=ticker.best_bid_micros,
            best_ask_micros=ticker.best_ask_micros,
            index_micros=ticker.index_micros,
            band_low_micros=ticker.band_low_micros,
            band_high_micros=ticker.band_high_micros,
            is_halted=ticker.is_halted,
        )


class TickerRow(Answer):
    """A product in the list of all: prices, the day's change, how much is offered."""

    product: fields.Product
    state: ProductState
    memory_gb: Annotated[int, shown(80)]
    last_micros: fields.Price | None
    day_change_bps: Annotated[fields.BasisPoints, shown(150)] | None
    best_bid_micros: Annotated[fields.Price, shown(11_940_000)] | None
    best_ask_micros: Annotated[fields.Price, shown(12_060_000)] | None
    offered_gpus: Annotated[int, shown(24)]

    @classmethod
    def of(cls, row: overview.Row) -> Self:
        return cls(
            product=row.product.slug,
            state=row.product.state,
            memory_gb=row.product.memory_gb,
            last_micros=row.last_micros,
            day_change_bps=row.change_bps,
            best_bid_micros=row.bid_micros,
            best_ask_micros=row.ask_micros,
            offered_gpus=row.offered_gpus,
        )


class TickersAnswer(Answer):
    items: list[TickerRow]


class QuoteAnswer(Answer):
    """One way to get the GPUs. `same_node` is what an order must say to cost as much."""

    product: fields.Product
    gpus: fields.Gpus
    start: fields.Moment
    end: fields.End
    same_node: Annotated[bool, shown(True)]
    limit_micros_per_gpu_hour: Annotated[fields.Price, shown(12_060_000)]
    notional_micros: Annotated[fields.Micros, shown(2_315_520_000)]
    fee_micros: Annotated[fields.Micros, shown(2_315_520)]
    total_micros: Annotated[fields.Micros, shown(2_317_835_520)]
    suppliers: list[SupplierAnswer]

    @classmethod
    def of(cls, quote: marketdata.Quote, offerings: Iterable[offering.Offering]) -> Self:
        return cls(
            product=quote.product.slug,
            gpus=quote.gpus,
            start=moment(quote.start),
            end=moment(quote.end),
            same_node=quote.same_node,
            limit_micros_per_gpu_hour=quote.limit_micros,
            notional_micros=quote.cost.notional_micros,
            fee_micros=quote.cost.fee_micros,
            total_micros=quote.cost.total_micros,
            suppliers=SupplierAnswer.several(offerings),
        )


class QuotesAnswer(Answer):
    items: list[QuoteAnswer]
