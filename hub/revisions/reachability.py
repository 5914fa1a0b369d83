"""Letting go of large objects that no ref reaches any more: after a squash or a forced push."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from foundation.batches import batches
from foundation.database.pages import page_by_page
from hub import gitstore
from hub.gitstore import GitRepository
from hub.lfs import links
from hub.lfs.models import LfsLink, LfsObject
from hub.repos import locking
from hub.repos.models import Repository
from hub.revisions import refs, selectors


def drop_unreachable(*, now: datetime) -> int:
    """Unlink, in every repository, the objects that no commit of any ref names; returns how many.

    The bytes stay for the usual time: an upload may be about to name them again.
    """
    return sum(_drop_in(repository, now) for repository in _with_old_links(now))


def unreachable(*, now: datetime) -> Iterator[tuple[Repository, str]]:
    """The same objects, changing nothing."""
    for repository in _with_old_links(now):
        with contextlib.suppress(*gitstore.UNREADABLE):
            for oid in _unreached(repository, selectors.git_of(repository), now):
                yield repository, oid


def _with_old_links(now: datetime) -> Iterator[Repository]:
    linked = _old_links(now).order_by().values("repository")
    return page_by_page(Repository.objects.live().with_owner().filter(pk__in=linked))


def _old_links(now: datetime) -> QuerySet[LfsLink]:
    before = now - timedelta(hours=settings.LFS_GRACE_HOURS)
    return LfsLink.objects.filter(pushed_at__lt=before)


def _unreached(repository: Repository, git: GitRepository, now: datetime) -> list[str]:
    reached = git.pointers([ref.target for ref in refs.list_all(repository)])
    old = _old_links(now).filter(repository=repository).values_list("object_id", flat=True)
    return [oid for oid in old if oid not in reached]


def _drop_in(repository: Repository, now: datetime) -> int:
    seen = refs.list_all(repository)
    try:
        oids = _unreached(repository, selectors.git_of(repository), now)
    except gitstore.UNREADABLE:
        return 0  # what a damaged history names is unknown; `reindex` names the repository
    if not oids:
        return 0
    with transaction.atomic(durable=True):
        # Refs move under this lock.
        locked = locking.lock_repository(repository.pk)
        if refs.list_all(locked) != seen:
            return 0
        links.unlink(locked, oids)
        for batch in batches(oids):
            LfsObject.objects.filter(pk__in=batch).update(touched_at=now)
    return len(oids)
