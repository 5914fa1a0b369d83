"""The trending score: recent likes and downloads, each day counting less than the one after it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from hub.repos.models import Repository
from hub.search import selectors
from hub.search.models import TrendingState

HALF_LIFE = timedelta(days=3)
# A like is a choice, a download often a robot's.
LIKE_WEIGHT = 1.0
DOWNLOAD_WEIGHT = 0.02
# Below this a score is nothing, and the repository is left alone until somebody comes.
SCORE_MIN = 0.01
REPOSITORIES_AT_ONCE = 1_000


def score_trending(*, now: datetime) -> int:
    """Bring every score up to date; returns how many changed.

    The state of a repository says which likes and downloads its score holds, so running twice adds nothing.
    """
    changed = 0
    for ids in _batches():
        changed += _score(ids, now)
    return changed


def _batches() -> Iterator[list[int]]:
    """Ids of what has a score to lose, or counters that moved since they were seen."""
    after = 0
    moved = (
        Q(trending_score__gt=0)
        | Q(trendingstate__isnull=True, likes__gt=0)
        | Q(trendingstate__isnull=True, downloads_total__gt=0)
        | Q(trendingstate__likes_seen__lt=F("likes"))
        | Q(trendingstate__likes_seen__gt=F("likes"))
        | Q(trendingstate__downloads_seen__lt=F("downloads_total"))
    )
    while True:
        ids = list(
            Repository.objects.filter(moved, pk__gt=after)
            .order_by("pk")
            .values_list("pk", flat=True)[:REPOSITORIES_AT_ONCE]
        )
        if not ids:
            return
        yield ids
        after = ids[-1]


def _score(ids: list[int], now: datetime) -> int:
    with transaction.atomic(durable=True):
        rows = list(
            Repository.objects.select_for_update(no_key=True)
            .filter(pk__in=ids)
            .order_by("pk")
            .only("pk", "likes", "downloads_total", "trending_score")
        )
        states = TrendingState.objects.in_bulk(ids)
        changed = []
        for row in rows:
            state = states.get(row.pk) or TrendingState(repository_id=row.pk, scored_at=now)
            score = next_score(row.trending_score, row, state, now)
            if score != row.trending_score:
                row.trending_score = score
                changed.append(row)
            state.likes_seen, state.downloads_seen = row.likes, row.downloads_total
            state.scored_at = max(now, state.scored_at)
            states[row.pk] = state
        TrendingState.objects.bulk_create(
            states.values(),
            update_conflicts=True,
            unique_fields=["repository"],
            update_fields=["likes_seen", "downloads_seen", "scored_at"],
        )
        Repository.objects.bulk_update(changed, ["trending_score"], batch_size=200)
    return len(changed)


def next_score(score: float, row: Repository, state: TrendingState, now: datetime) -> float:
    """The score faded since it was last computed, and what came since then. Losses count as nothing."""
    age = max(timedelta(0), now - state.scored_at)
    faded = score * math.pow(0.5, age / HALF_LIFE)
    likes = max(0, row.likes - state.likes_seen)
    downloads = max(0, row.downloads_total - state.downloads_seen)
    found = faded + LIKE_WEIGHT * likes + DOWNLOAD_WEIGHT * downloads
    return round(found, 3) if found >= SCORE_MIN else 0.0


def count_slow_facets() -> list[str]:
    """Count anew what pages show beside their lists, where counting takes long; returns the kinds."""
    kinds = selectors.slow_facets()
    for kind in kinds:
        selectors.count_facets(kind)
    return kinds
