"""What runs later: repositories whose grace period has ended go for good."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from hub import gitstore
from hub.repos.models import Repository

BATCH = 100


def purge_deleted(*, now: datetime) -> int:
    """Remove repositories that were deleted longer ago than they can be restored; return how many.

    Rows go first: a crash in between leaves a folder that `doctor` names, never a row without one.
    """
    before = now - timedelta(days=settings.REPOSITORY_RESTORE_DAYS)
    doomed = Repository.objects.filter(deleted_at__lt=before).order_by("pk").values_list("pk", flat=True)
    purged = 0
    for pk in list(doomed[:BATCH]):
        with transaction.atomic(durable=True):
            found = Repository.objects.select_for_update().filter(pk=pk, deleted_at__lt=before).first()
            if found is None:
                continue
            storage = found.storage
            found.delete()
        gitstore.delete_repository(storage)
        purged += 1
    return purged
