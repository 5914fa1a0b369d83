"""Counting a download, as doors do it when they serve content."""

from __future__ import annotations

from datetime import datetime

from hub.downloads import buffer


def record(*, repository_id: int, requester: str, now: datetime) -> None:
    """Count one request for content. One requester counts as one download of a repository an hour.

    Content is served whether or not Redis is there; what is served while it is away is counted later.
    """
    buffer.add(repository_id=repository_id, requester=requester, now=now)
