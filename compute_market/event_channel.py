"""Tells the streams of all processes which topics have new events, by Redis publish/subscribe.

A message may be lost: the events themselves are rows, and a slow poll finds what no message announced.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import redis
from django.db import transaction

from foundation.redis_connection import connection, key

CHANNEL = "market-news"
log = logging.getLogger(__name__)


def publish(topics: Iterable[str]) -> None:
    """Name topics with new events to all processes once this transaction has committed, in one message."""
    message = " ".join(topics)
    if not message:
        return

    def send() -> None:
        try:
            connection().publish(key(CHANNEL), message)
        except redis.RedisError as error:
            log.warning("event_publish_failed topics=%d error=%s", message.count(" ") + 1, error)

    transaction.on_commit(send, robust=True)
