"""Jobs of repositories: those whose grace period has ended are deleted for good."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from hub import gitstore
from hub.repos import holds
from hub.repos.models import Repository

BATCH = 100
HALF_KEPT = timedelta(days=1)


def purge_deleted(*, now: datetime) -> int:
    """Remove repositories that were deleted longer ago than they can be restored; return how many.

    Rows go first: a crash in between leaves a folder for `drop_stray_folders`, never a row without one.
    """
    before = now - timedelta(days=settings.REPOSITORY_RESTORE_DAYS)
    doomed = Repository.objects.filter(deleted_at__lt=before).order_by("pk").values_list("pk", flat=True)
    purged = 0
    for pk in list(doomed[:BATCH]):
        with transaction.atomic(durable=True):
            if holds.lock(now):
                break
            found = Repository.objects.select_for_update().filter(pk=pk, deleted_at__lt=before).first()
            if found is None:
                continue
            storage = found.storage
            found.delete()
        gitstore.delete_repository(storage)
        purged += 1
    return purged


def drop_stray_folders(*, now: datetime) -> int:
    """Remove what crashes left of git folders; return how many.

    Half of one goes after a day. A whole one that no row names stays as long as a deleted repository:
    a database that was put back from an older backup does not know the newest.
    """
    if holds.is_held(now):
        return 0
    whole_before = now - timedelta(days=settings.REPOSITORY_RESTORE_DAYS)
    count = 0
    for folder in gitstore.idle_folders(now - HALF_KEPT):
        if folder.suffix == ".git":
            is_idle = folder.stat().st_ctime < whole_before.timestamp()
            if not is_idle or Repository.objects.filter(storage=folder.stem).exists():
                continue
            gitstore.delete_repository(folder.stem)
        else:
            shutil.rmtree(folder, ignore_errors=True)
        count += 1
    return count
