"""The state of the trending score. The word index has no model: see `hub.search.index`."""

from __future__ import annotations

from django.db import models

from hub.repos.models import Repository


class TrendingState(models.Model):
    """A repository's counters at the last update of its score."""

    repository = models.OneToOneField(
        Repository, on_delete=models.CASCADE, primary_key=True, related_name="trendingstate"
    )
    likes_seen = models.IntegerField(default=0)
    downloads_seen = models.BigIntegerField(default=0)
    scored_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.repository_id} at {self.scored_at:%Y-%m-%d %H:%M}"
