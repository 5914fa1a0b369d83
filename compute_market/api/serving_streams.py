"""Common parts of the streams of products and accounts: resume, limits, taking over the connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from django.conf import settings
from django.http import StreamingHttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compute_market.api import problems
from compute_market.api.streams import HEARTBEAT_SECONDS, Broadcaster, Event, Full
from compute_market.event_channel import CHANNEL
from foundation.rate_limits import limited_address
from foundation.redis_connection import connection, key
from foundation.taken_connections import offered
from foundation.whole_numbers import whole_number

POLL_SECONDS = 0.5
EVENT_STREAM = "text/event-stream"
LAST_EVENT_ID = [
    OpenApiParameter("Last-Event-ID", int, OpenApiParameter.HEADER),
    OpenApiParameter("last_event_id", int, description="For clients that cannot send the header."),
]

# (key, after, limit) → the events of what has that key, above a number and in order.
KeyedFetch = Callable[[str, int, int], Sequence[Event]]
_fetches: dict[str, KeyedFetch] = {}


def register(kind: str) -> Callable[[KeyedFetch], KeyedFetch]:
    """Let a function give the events of topics called `kind/key`."""

    def add(fetch: KeyedFetch) -> KeyedFetch:
        _fetches[kind] = fetch
        return fetch

    return add


def fetch(topic: str, after: int, limit: int) -> Sequence[Event]:
    """The events of a topic, above a number and in order, at most `limit`."""
    kind, _, key = topic.partition("/")
    return _fetches[kind](key, after, limit)


@cache
def broadcaster() -> Broadcaster:
    """The instance of this process, made for its first stream (after a fork, never before)."""
    return Broadcaster(fetch=fetch, redis_connection=connection, channel=key(CHANNEL))


def last_event_id(request: Request) -> int | None:
    """The number after which a reader wants to go on; None if it begins. Raises: ValidationError."""
    text = request.headers.get("Last-Event-ID") or request.query_params.get("last_event_id") or ""
    asked = whole_number(text)
    if text and asked is None:
        raise serializers.ValidationError({"Last-Event-ID": "A whole number is needed."})
    return asked


def serve(
    request: Request,
    *,
    topic: str,
    after: int,
    first: bytes,
    is_allowed: Callable[[], bool] | None = None,
    most: int | None = None,
) -> Any:
    """Answer a request with the events of a topic after a number, behind the bytes of `first`.

    `most`: how many connections the topic may have in this process; one address may have
    `MARKET_STREAMS_PER_ADDRESS`. The stream ends when `is_allowed` says no.
    """
    take = offered(request.META)
    if take is None:
        return _held_by_a_thread(topic, after, first, is_allowed)
    request_id = request.headers.get("X-Request-Id", "")
    headers = f"X-Request-Id: {request_id}\r\n".encode() if request_id.isprintable() and request_id else b""
    full = broadcaster().subscribe(
        lambda: take().socket,
        topic=topic,
        after=after,
        headers=headers,
        first=first,
        is_allowed=is_allowed,
        most_of_topic=most,
        address=limited_address(request) or "",
        most_of_address=settings.MARKET_STREAMS_PER_ADDRESS,
    )
    if full is None:
        return Response()
    status, detail = {
        Full.TOPIC: (429, f"The account has {most} open streams in this process."),
        Full.ADDRESS: (
            429,
            f"Your address has {settings.MARKET_STREAMS_PER_ADDRESS} streams in this process.",
        ),
        Full.PROCESS: (503, "Too many streams are open."),
    }[full]
    return problems.problem(status, code="too_many_streams", detail=detail)


def _held_by_a_thread(
    topic: str, after: int, first: bytes, is_allowed: Callable[[], bool] | None
) -> StreamingHttpResponse:
    """For servers that cannot give a connection away (a development server, a test)."""

    def events() -> Iterator[bytes]:
        yield first or b": resumed\n\n"
        last, beaten = after, time.monotonic()
        while is_allowed is None or is_allowed():
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
