"""Reads of download counts."""

from __future__ import annotations

from datetime import date, timedelta

from hub.downloads.models import DailyDownloads
from hub.repos.models import Repository


def by_day(repository: Repository, *, today: date, days: int = 30) -> list[tuple[date, int]]:
    """(day, downloads) of the last `days` days, the oldest first, quiet days as 0."""
    first = today - timedelta(days=days - 1)
    counted = dict(
        DailyDownloads.objects.filter(repository=repository, day__gte=first).values_list("day", "downloads")
    )
    each = (first + timedelta(days=number) for number in range(days))
    return [(day, counted.get(day, 0)) for day in each]
