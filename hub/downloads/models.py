"""Downloads by day, and the batches of counts that were written."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from hub.repos.models import Repository


class DailyDownloads(models.Model):
    """One repository's downloads and requests of one day (UTC)."""

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="daily_downloads")
    day = models.DateField()
    downloads = models.BigIntegerField(default=0, help_text="A requester counts once an hour.")
    requests = models.BigIntegerField(default=0, help_text="Every request for content.")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["repository", "day"], name="daily_downloads_once"),
            models.CheckConstraint(
                condition=Q(downloads__gte=0, requests__gte=0), name="daily_downloads_not_negative"
            ),
        )
        indexes = (models.Index(fields=["day", "repository"], name="daily_downloads_by_day"),)

    def __str__(self) -> str:
        return f"{self.repository_id} on {self.day}: {self.downloads}"


class WrittenBatch(models.Model):
    """A batch of counts that is in the tables: should Redis give it again, it is not added again."""

    key = models.CharField(max_length=32, primary_key=True)
    written_at = models.DateTimeField(db_default=Now(), db_index=True)

    def __str__(self) -> str:
        return self.key
