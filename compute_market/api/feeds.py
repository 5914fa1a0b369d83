"""The stream of a product: a snapshot of its book, then every change, with resume (market.md 4)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.http import StreamingHttpResponse
from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compute_market.api import problems
from compute_market.api.base import MarketView, moment
from compute_market.api.products import TAG, book_body
from compute_market.api.streams import HEARTBEAT_SECONDS, Broadcaster, Event
from compute_market.clock import HOUR
from compute_market.matching import marketdata, quantities
from compute_market.matching.bells import CHANNEL
from compute_market.matching.models import Order
from compute_market.offers import selectors as offers
from compute_market.offers.models import Product
from foundation.inputs import whole_number
from foundation.redis_connection import connection

SNAPSHOT_LEVELS = 200
POLL_SECONDS = 0.5


def _sides(side: int) -> str:
    return Order.Side(side).name.lower()


def _render(number: int, payload: dict[str, Any]) -> Event:
    """One batch of news: trades, and levels of the book as they are now (0 GPUs: gone)."""
    body = {
        "sequence": number,
        "trades": [
            {
                "sequence": sequence,
                "taker_side": _sides(side),
                "price_micros_per_gpu_hour": price,
                "gpus": gpus,
                "start": moment(quantities.from_minutes(start)),
                "end": moment(quantities.from_minutes(end)),
            }
            for sequence, side, price, gpus, start, end in payload.get("trades", ())
        ],
        "levels": [
            {
                "side": _sides(side),
                "price_micros_per_gpu_hour": price,
                "start": moment(quantities.from_minutes(start)),
                "end": moment(quantities.from_minutes(end)),
                "gpus": gpus,
            }
            for side, price, start, end, gpus, _count in payload.get("levels", ())
        ],
    }
    return Event(number, "delta", json.dumps(body, separators=(",", ":")))


def fetch(topic: str, after: int, limit: int) -> Sequence[Event]:
    """Events of `product/<pk>` after a number; unknown topics have none."""
    product = Product.objects.filter(pk=int(topic.rpartition("/")[2])).first()
    if product is None:
        return ()
    return [
        _render(number, payload) for number, payload in marketdata.news(product, after=after, limit=limit)
    ]


@cache
def broadcaster() -> Broadcaster:
    """The one of this process, made when the first stream is asked for (after a fork, never before)."""
    return Broadcaster(fetch=fetch, redis_connection=connection, channel=f"{settings.REDIS_PREFIX}:{CHANNEL}")


class Stream(MarketView):
    @extend_schema(
        tags=[TAG],
        operation_id="stream",
        parameters=[
            OpenApiParameter("Last-Event-ID", int, OpenApiParameter.HEADER),
            OpenApiParameter("last_event_id", int, description="For clients that cannot send the header."),
        ],
        responses={(200, "text/event-stream"): str},
    )
    def get(self, request: Request, slug: str) -> Any:
        """Server-sent events: `snapshot`, then `delta` for every drained batch.

        Reconnect with `Last-Event-ID` to go on without a gap. An id that is too old to be resumed gets a
        new `snapshot`: what was built before is to be thrown away.
        """
        product = offers.get_product(slug)
        text = request.headers.get("Last-Event-ID") or request.query_params.get("last_event_id") or ""
        asked = whole_number(text)
        if text and asked is None:
            raise serializers.ValidationError({"Last-Event-ID": "A whole number is needed."})
        newest = marketdata.last_news(product)
        resumes = asked is not None and asked <= newest
        after = asked if asked is not None and resumes else newest
        first = b"" if resumes else self._snapshot(product, newest).render()
        take = request.environ.get("bazaar.take_connection")  # type: ignore[attr-defined]
        if take is None:
            return _held_by_a_thread(marketdata.topic(product), after, first)
        request_id = request.headers.get("X-Request-Id", "")
        headers = (
            f"X-Request-Id: {request_id}\r\n".encode() if request_id.isprintable() and request_id else b""
        )
        if broadcaster().is_full:
            return problems.problem(503, code="too_many_streams", detail="Too many streams are open.")
        broadcaster().subscribe(
            take().socket, topic=marketdata.topic(product), after=after, headers=headers, first=first
        )
        return Response()

    def _snapshot(self, product: Product, newest: int) -> Event:
        start = self.now().replace(minute=0, second=0, microsecond=0) + HOUR
        body = book_body(product, start=start, end=start + timedelta(hours=1), depth=SNAPSHOT_LEVELS)
        return Event(newest, "snapshot", json.dumps({**body, "sequence": newest}, separators=(",", ":")))


def _held_by_a_thread(topic: str, after: int, first: bytes) -> StreamingHttpResponse:
    """For servers that cannot give a connection away (a development server, a test)."""

    def events() -> Iterator[bytes]:
        yield first or b": resumed\n\n"
        last, beaten = after, time.monotonic()
        while True:
            for event in fetch(topic, last, 500):
                last = event.number
                yield event.render()
            if time.monotonic() - beaten > HEARTBEAT_SECONDS:
                beaten = time.monotonic()
                yield b": still here\n\n"
            time.sleep(POLL_SECONDS)

    response = StreamingHttpResponse(events(), content_type="text/event-stream; charset=utf-8")
    response["Cache-Control"] = "no-store"
    return response


urlpatterns = [path("products/<str:slug>/stream", Stream.as_view())]
