"""The news of products: what a batch changed on their books, for everybody who watches them.

Clearing writes the news of a batch into the outbox; the views read them. They are kept as JSON arrays, whose
places are the fields of `TradeNews` and `LevelNews`: a new field comes last.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from foundation.rows import maker


class TradeNews(NamedTuple):
    """A trade. `sequence` is the number of its event; times in minutes since the epoch."""

    sequence: int
    taker_side: int
    price_micros_per_gpu_hour: int
    gpus: int
    start: int
    end: int


class LevelNews(NamedTuple):
    """The orders that rest now at one price over one window; 0 orders: the level is gone."""

    side: int
    price_micros_per_gpu_hour: int
    start: int
    end: int
    gpus: int
    orders: int


make_trade_news, make_level_news = maker(TradeNews), maker(LevelNews)


class News(NamedTuple):
    """The changes of one batch for the watchers of a product."""

    trades: list[TradeNews]
    levels: list[LevelNews]


def topic_of(product_id: int) -> str:
    """The topic of a product's events in the outbox."""
    return f"product/{product_id}"


def payload_of(news: News) -> dict[str, Any]:
    """The JSON value that the outbox keeps."""
    return {"trades": list(map(tuple, news.trades)), "levels": list(map(tuple, news.levels))}


def read(payload: dict[str, Any]) -> News:
    """The news that `payload_of` was given."""
    return News(
        [TradeNews(*each) for each in payload.get("trades", ())],
        [LevelNews(*each) for each in payload.get("levels", ())],
    )
