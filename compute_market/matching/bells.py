"""Tells watchers that there is news: a bell by Redis, which may be lost; the outbox is the news."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cache

import redis
from django.conf import settings
from django.db import transaction

CHANNEL = "market-news"
log = logging.getLogger(__name__)


@cache
def _connection() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=1)


def ring(topics: Iterable[str]) -> None:
    """Ring for some topics of the outbox once this transaction has committed."""
    heard = [topic for topic in topics if topic.startswith("product/")]

    def publish() -> None:
        try:
            pipe = _connection().pipeline(transaction=False)
            for topic in heard:
                pipe.publish(f"{settings.REDIS_PREFIX}:{CHANNEL}", topic)
            pipe.execute()
        except redis.RedisError as error:
            log.warning("nobody was told of news: %s", error)

    if heard:
        transaction.on_commit(publish, robust=True)
