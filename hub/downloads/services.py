"""Counting a download, as doors do it when they serve content."""

from __future__ import annotations

import logging
from datetime import datetime

import redis

from hub.downloads import counters

log = logging.getLogger(__name__)


def record(*, repository_id: int, requester: str, now: datetime) -> None:
    """Count one request for content. One requester counts as one download of a repository an hour.

    Content is served whether or not it could be counted: without Redis the request goes uncounted.
    """
    try:
        counters.add(repository_id=repository_id, requester=requester, now=now)
    except redis.RedisError as error:
        log.warning("A download of repository %s was not counted: %s", repository_id, error)
