"""From the counters in Redis to the tables, exactly once; and the sums that lists sort by."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F, Q, Sum

from hub.downloads import buffer, counters
from hub.downloads.counters import Batch
from hub.downloads.models import DailyDownloads, WrittenBatch
from hub.repos.models import Repository

WINDOW_DAYS = 30
# A batch that Redis could still give again is younger than this.
BATCHES_KEPT = timedelta(days=90)
REPOSITORIES_AT_ONCE = 1_000

UPSERT = """
INSERT INTO downloads_dailydownloads (repository_id, day, downloads, requests) VALUES (%s, %s, %s, %s)
ON CONFLICT (repository_id, day) DO UPDATE SET
    downloads = downloads_dailydownloads.downloads + excluded.downloads,
    requests = downloads_dailydownloads.requests + excluded.requests
"""
ADD = """
UPDATE repos_repository SET downloads_30d = downloads_30d + %s, downloads_total = downloads_total + %s
WHERE id = %s
"""


def flush(*, now: datetime) -> int:
    """Write what Redis and this process have counted; returns how many batches were written.

    Killed at any point it loses and doubles nothing: a batch stays in Redis until the tables have it, and
    the tables know which they have.
    """
    buffer.send()
    counters.take()
    written = 0
    for batch in counters.batches():
        written += _write(batch, now=now)
        counters.forget(batch.key)
    return written


def _write(batch: Batch, *, now: datetime) -> bool:
    with transaction.atomic(durable=True):
        _, is_new = WrittenBatch.objects.get_or_create(key=batch.key, defaults={"written_at": now})
        if not is_new:
            return False
        named = {count.repository_id for count in batch.counts}
        known = set(Repository.objects.filter(pk__in=named).values_list("pk", flat=True))
        counts = [count for count in batch.counts if count.repository_id in known]
        oldest = (now - timedelta(days=WINDOW_DAYS)).date()
        with connection.cursor() as cursor:
            # In order of id, as every writer of many repositories locks them.
            cursor.executemany(
                UPSERT,
                [(count.repository_id, count.day, count.downloads, count.requests) for count in counts],
            )
            cursor.executemany(
                ADD,
                [
                    (count.downloads if count.day > oldest else 0, count.downloads, count.repository_id)
                    for count in counts
                    if count.downloads
                ],
            )
    return True


def recount(*, now: datetime) -> int:
    """Let days fall out of the last-30-days sums; returns how many repositories changed."""
    oldest = (now - timedelta(days=WINDOW_DAYS)).date()
    changed = after = 0
    while True:
        ids = list(
            Repository.objects.filter(pk__gt=after)
            .filter(Q(downloads_30d__gt=0) | Q(pk__in=_fetched_since(oldest)))
            .order_by("pk")
            .values_list("pk", flat=True)[:REPOSITORIES_AT_ONCE]
        )
        if not ids:
            break
        changed += _recount(ids, oldest)
        after = ids[-1]
    WrittenBatch.objects.filter(written_at__lt=now - BATCHES_KEPT).delete()
    return changed


def _fetched_since(oldest: object) -> object:
    return DailyDownloads.objects.filter(day__gt=oldest, downloads__gt=0).values("repository_id")


def _recount(ids: list[int], oldest: object) -> int:
    with transaction.atomic(durable=True):
        kept = dict(
            Repository.objects.select_for_update(no_key=True)
            .filter(pk__in=ids)
            .order_by("pk")
            .values_list("pk", "downloads_30d")
        )
        summed = dict(
            DailyDownloads.objects.filter(repository_id__in=ids, day__gt=oldest)
            .values_list("repository_id")
            .annotate(total=Sum(F("downloads")))
            .order_by()
        )
        wrong = [(pk, summed.get(pk, 0)) for pk, number in kept.items() if summed.get(pk, 0) != number]
        for pk, number in wrong:
            Repository.objects.filter(pk=pk).update(downloads_30d=number)
    return len(wrong)
