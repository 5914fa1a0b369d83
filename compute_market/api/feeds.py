"""The stream of a product: a snapshot of its book, then every change (docs/market.md#streams)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from compute_market.api.answers import streams as answers
from compute_market.api.answers.market_data import BookAnswer
from compute_market.api.base import MarketView, anybody
from compute_market.api.products import TAG
from compute_market.api.serving_streams import EVENT_STREAM, LAST_EVENT_ID, last_event_id, register, serve
from compute_market.api.streams import Event
from compute_market.matching import news
from compute_market.matching.views import marketdata
from compute_market.offers import selectors as offers
from compute_market.offers.models import Product
from foundation.clock import HOUR

SNAPSHOT_LEVELS = 200


@register("product")
def fetch(key: str, after: int, limit: int) -> Sequence[Event]:
    """Events of a product, by its primary key, after a number; an unknown one has none."""
    product = offers.find_product(int(key))
    if product is None:
        return ()
    return [
        Event.of(number, "delta", answers.BookDelta.of(number, told))
        for number, told in marketdata.news_after(product, after=after, limit=limit)
    ]


class Stream(MarketView):
    right = staticmethod(anybody)

    @extend_schema(
        tags=[TAG],
        operation_id="stream",
        parameters=LAST_EVENT_ID,
        responses={(200, EVENT_STREAM): answers.SnapshotEvent | answers.DeltaEvent},
    )
    def get(self, request: Request, slug: str) -> Any:
        """Server-sent events: `snapshot`, then `delta` for every drained batch.

        Reconnect with `Last-Event-ID` to go on without a gap. An id that is too old to be resumed gets a
        new `snapshot`: what was built before is to be thrown away.
        """
        product = offers.get_product(slug)
        asked = last_event_id(request)
        newest = marketdata.last_news(product)
        resumes = asked is not None and asked <= newest
        after = asked if asked is not None and resumes else newest
        first = b"" if resumes else self._snapshot(product, newest).render()
        return serve(request, topic=news.topic_of(product.pk), after=after, first=first)

    def _snapshot(self, product: Product, newest: int) -> Event:
        start = self.now().replace(minute=0, second=0, microsecond=0) + HOUR
        book = BookAnswer.of(product, start=start, end=start + HOUR, depth=SNAPSHOT_LEVELS, sequence=newest)
        return Event.of(newest, "snapshot", book)


urlpatterns = [path("products/<str:slug>/stream", Stream.as_view())]
