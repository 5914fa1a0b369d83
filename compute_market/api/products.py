"""The public record: products, book, trades, candles, ticker, quotes, offers. No key is needed."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compute_market.api.answers import market_data as answers
from compute_market.api.base import MarketView, Moment, anybody
from compute_market.matching.views import marketdata, offering, overview, selectors
from compute_market.offers import selectors as offers
from compute_market.offers.models import Product
from foundation.clock import HOUR

TAG = "market data"
DEPTH_MAX = 500
# `h100,a100:80GB..:8`: GPUs, memory, how many.
COMPACT = re.compile(
    r"(?P<gpus>[a-z0-9,-]+)(?::(?P<low>\d{1,9})GB)?(?P<open>\.\.)?"
    r"(?:(?P<high>\d{1,9})GB)?(?::(?P<count>\d{1,9}))?",
    re.IGNORECASE,
)


EXACT = ("region", "tier", "interconnect", "vendor")
BOUNDS = ("memory_gb__gte", "memory_gb__lte")


class Search(serializers.Serializer[Any]):
    """Two forms: query parameters, or the compact `spec`."""

    spec = serializers.CharField(required=False, max_length=200)
    gpu = serializers.CharField(required=False, max_length=200)
    region = serializers.CharField(required=False, max_length=40)
    tier = serializers.CharField(required=False, max_length=20)
    interconnect = serializers.CharField(required=False, max_length=20)
    vendor = serializers.CharField(required=False, max_length=20)
    memory_gb__gte = serializers.IntegerField(required=False, min_value=0)
    memory_gb__lte = serializers.IntegerField(required=False, min_value=0)
    price__lte = serializers.IntegerField(
        required=False, min_value=1, help_text="Micro-credits per GPU-hour."
    )
    gpus__gte = serializers.IntegerField(required=False, min_value=1)


def matching_products(query: dict[str, Any]) -> QuerySet[Product]:
    """Products that a search asks for."""
    found = offers.products()
    if spec := query.get("spec"):
        query = {**query, **_of_spec(spec)}
    if gpus := query.get("gpu"):
        wanted = Q()
        for gpu in gpus.split(","):
            wanted |= Q(gpu__iexact=gpu.strip())
        found = found.filter(wanted)
    same = {f"{name}__iexact": query[name] for name in EXACT if query.get(name)}
    bounds = {name: query[name] for name in BOUNDS if query.get(name) is not None}
    found = found.filter(**same, **bounds)
    asks = selectors.open_asks()
    if price := query.get("price__lte"):
        found = found.filter(pk__in=asks.filter(price_micros_per_gpu_hour__lte=price).values("product"))
    if gpus_min := query.get("gpus__gte"):
        found = found.filter(pk__in=asks.filter(gpus__gte=gpus_min).values("product"))
    return found


def _of_spec(spec: str) -> dict[str, Any]:
    """The query of a compact spec such as `h100,a100:80GB..:8`."""
    match = COMPACT.fullmatch(spec)
    if match is None:
        raise serializers.ValidationError({"spec": "Write it as h100,a100:80GB..:8"})
    query: dict[str, Any] = {"gpu": match["gpus"]}
    if match["low"]:
        query["memory_gb__gte"] = int(match["low"])
        if not match["open"]:
            query["memory_gb__lte"] = int(match["low"])
    if match["high"]:
        query["memory_gb__lte"] = int(match["high"])
    if match["count"]:
        query["gpus__gte"] = int(match["count"])
    return query


class Products(MarketView):
    right = staticmethod(anybody)

    @extend_schema(
        tags=[TAG], operation_id="products", parameters=[Search], responses={200: answers.ProductsAnswer}
    )
    def get(self, request: Request) -> Response:
        """Products, narrowed by `?gpu=h100&memory_gb__gte=80&price__lte=…` or `?spec=h100,a100:80GB..:8`."""
        query = self.read(request.query_params.dict(), Search)
        return Response(
            answers.ProductsAnswer(
                items=answers.ProductAnswer.several(matching_products(query), now=self.now())
            )
        )


class OneProduct(MarketView):
    right = staticmethod(anybody)

    @extend_schema(tags=[TAG], operation_id="product", responses={200: answers.ProductAnswer})
    def get(self, request: Request, slug: str) -> Response:
        [product] = answers.ProductAnswer.several([offers.get_product(slug)], now=self.now())
        return Response(product)


class Offers(MarketView):
    right = staticmethod(anybody)

    @extend_schema(
        tags=[TAG], operation_id="offers", parameters=[Search], responses={200: answers.OffersAnswer}
    )
    def get(self, request: Request) -> Response:
        """Resting asks of the products that a search finds, cheapest first."""
        query = self.read(request.query_params.dict(), Search)
        levels = selectors.open_asks().filter(product__in=matching_products(query), end__gt=self.now())
        if price := query.get("price__lte"):
            levels = levels.filter(price_micros_per_gpu_hour__lte=price)
        if gpus := query.get("gpus__gte") or _of_spec(query.get("spec") or "any").get("gpus__gte"):
            levels = levels.filter(gpus__gte=gpus)
        shown = list(
            levels.select_related("product").order_by("price_micros_per_gpu_hour", "start")[:DEPTH_MAX]
        )
        wanted = [
            offering.OfferQuery(
                level.product_id, level.start, level.end, level.price_micros_per_gpu_hour, at_price=True
            )
            for level in shown
        ]
        offered = offering.offerings(wanted, now=self.now())
        items = [
            answers.OfferAnswer.of(level, offerings) for level, offerings in zip(shown, offered, strict=True)
        ]
        return Response(answers.OffersAnswer(items=items))


class WindowQuery(serializers.Serializer[Any]):
    start = Moment(required=False)
    end = Moment(required=False)
    depth = serializers.IntegerField(required=False, min_value=1, max_value=DEPTH_MAX, default=50)


class ProductBook(MarketView):
    right = staticmethod(anybody)

    @extend_schema(
        tags=[TAG],
        operation_id="book",
        parameters=[WindowQuery],
        responses={200: answers.BookAnswer},
    )
    def get(self, request: Request, slug: str) -> Response:
        """Aggregated depth over a window (default: the next full hour): [price, GPUs], best first.

        `sequence` is where the stream goes on from.
        """
        product = offers.get_product(slug)
        query = self.read(request.query_params.dict(), WindowQuery)
        now = self.now()
        start = query.get("start") or now.replace(minute=0, second=0, microsecond=0) + HOUR
        end = query.get("end") or start + HOUR
        if end <= start:
            raise serializers.ValidationError({"end": "It must lie after the start."})
        return Response(answers.BookAnswer.of(product, start=start, end=end, depth=query["depth"]))


class Trades(MarketView):
    right = staticmethod(anybody)

    @extend_schema(
        tags=[TAG],
        operation_id="trades",
        parameters=[OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
        responses={200: answers.TradesAnswer},
    )
    def get(self, request: Request, slug: str) -> Response:
        """Trades, newest first."""
        product = offers.get_product(slug)
        found, following = self.rows(request, selectors.trades(product_id=product.pk))
        items = [answers.TradeAnswer.of(trade) for trade in found]
        return Response(answers.TradesAnswer(items=items, next=following))


class CandleQuery(serializers.Serializer[Any]):
    period = serializers.ChoiceField(choices=list(marketdata.PERIODS), default="1h")
    since = Moment(required=False)
    until = Moment(required=False)


class Candles(MarketView):
    right = staticmethod(anybody)

    @extend_schema(
        tags=[TAG], operation_id="candles", parameters=[CandleQuery], responses={200: answers.CandlesAnswer}
    )
    def get(self, request: Request, slug: str) -> Response:
        """Open, high, low, close and volume of each period that has trades, oldest first."""
        product = offers.get_product(slug)
        query = self.read(request.query_params.dict(), CandleQuery)
        until = query.get("until") or self.now() + timedelta(minutes=1)
        since = query.get("since") or until - 200 * marketdata.PERIODS[query["period"]]
        made = marketdata.candles(product, period=query["period"], since=since, until=until)
        items = [answers.CandleAnswer.of(candle) for candle in made]
        return Response(answers.CandlesAnswer(items=items))


class Ticker(MarketView):
    right = staticmethod(anybody)

    @extend_schema(tags=[TAG], operation_id="ticker", responses={200: answers.TickerAnswer})
    def get(self, request: Request, slug: str) -> Response:
        """Last price, the last day, best bid and ask, index and band."""
        product = offers.get_product(slug)
        ticker = marketdata.ticker(product, now=self.now())
        return Response(answers.TickerAnswer.of(product, ticker))


class Tickers(MarketView):
    right = staticmethod(anybody)

    @extend_schema(
        tags=[TAG], operation_id="tickers", parameters=[Search], responses={200: answers.TickersAnswer}
    )
    def get(self, request: Request) -> Response:
        """Every product that a search finds, at a glance: prices, the day's change, how much is offered."""
        query = self.read(request.query_params.dict(), Search)
        found = overview.rows(list(matching_products(query)), now=self.now())
        return Response(answers.TickersAnswer(items=[answers.TickerRow.of(row) for row in found]))


class QuoteQuery(Search):
    gpus = serializers.IntegerField(min_value=1, max_value=100_000)
    hours = serializers.IntegerField(min_value=1, max_value=24 * 90)
    within_days = serializers.IntegerField(min_value=1, max_value=30, default=7)
    same_node = serializers.BooleanField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Only on one node, or wherever it is cheapest; left out: on one node where one has all.",
    )


class Quote(MarketView):
    right = staticmethod(anybody)
    cost = 5

    @extend_schema(
        tags=[TAG], operation_id="quote", parameters=[QuoteQuery], responses={200: answers.QuotesAnswer}
    )
    def get(self, request: Request) -> Response:
        """The cheapest ways to get N GPUs for H hours within some days. Nothing is reserved.

        `same_node` of an item is what an order must say to cost as much: whether all GPUs are on one node.
        """
        query = self.read(request.query_params.dict(), QuoteQuery)
        found = marketdata.quotes(
            list(matching_products(query)),
            gpus=query["gpus"],
            hours=query["hours"],
            within_days=query["within_days"],
            now=self.now(),
            same_node=query["same_node"],
        )
        offered = offering.of_quotes(found, now=self.now())
        items = [
            answers.QuoteAnswer.of(quote, offerings) for quote, offerings in zip(found, offered, strict=True)
        ]
        return Response(answers.QuotesAnswer(items=items))


urlpatterns = [
    path("tickers", Tickers.as_view()),
    path("products", Products.as_view()),
    path("products/<str:slug>", OneProduct.as_view()),
    path("products/<str:slug>/book", ProductBook.as_view()),
    path("products/<str:slug>/trades", Trades.as_view()),
    path("products/<str:slug>/candles", Candles.as_view()),
    path("products/<str:slug>/ticker", Ticker.as_view()),
    path("offers", Offers.as_view()),
    path("quote", Quote.as_view()),
]
