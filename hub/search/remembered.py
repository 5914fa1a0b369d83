"""Answers that took long, kept in Redis for a while. Without Redis every question is answered anew."""

from __future__ import annotations

import logging
from typing import Any

import orjson
import redis

from foundation.redis_connection import connection, key

log = logging.getLogger(__name__)


def get(name: str) -> Any:
    """What was kept under this name, or None."""
    try:
        kept = connection().get(key("search", name))
    except redis.RedisError as error:
        log.warning("Redis does not answer; %s is computed: %s", name, error)
        return None
    return None if kept is None else orjson.loads(kept)


def put(name: str, value: Any, *, seconds: float) -> None:
    try:
        connection().set(key("search", name), orjson.dumps(value), px=max(1, int(seconds * 1000)))
    except redis.RedisError as error:
        log.warning("Redis does not answer; %s is not kept: %s", name, error)


def forget(name: str) -> None:
    """Have the next question answered anew."""
    try:
        connection().delete(key("search", name))
    except redis.RedisError as error:
        log.warning("Redis does not answer; %s ends by itself: %s", name, error)
