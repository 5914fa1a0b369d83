"""Jobs of revisions: rows that are behind git after a crash are brought up to date."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from hub.accounts.principals import SYSTEM
from hub.gitstore import folder_of, upkeep
from hub.lfs import links
from hub.repos import holds, locking
from hub.repos.models import Repository
from hub.revisions import indexing, selectors
from hub.revisions.signals import revision_committed

# A day's changes, and some more for a sweep that came late.
TIDIED_SINCE = timedelta(hours=26)


def catch_up(*, now: datetime) -> int:
    """Index every live repository whose default branch is not where its row says; return how many.

    A commit moves the ref right before the database commits, and `git push` before the rows are
    written, so a crash in between leaves git ahead. Git is the truth.
    """
    behind = 0
    live = Repository.objects.live().order_by("pk")
    for pk, storage, branch, head in live.values_list("pk", "storage", "default_branch", "head_sha").iterator(
        chunk_size=2000
    ):
        if _loose_head(storage, branch) != head and catch_up_one(repository_id=pk, now=now):
            behind += 1
    return behind


def tidy(*, now: datetime) -> int:
    """Let git pack what lately changed; return how many repositories were looked at: none during a backup."""
    if holds.is_held(now):
        return 0
    recent = Repository.objects.live().filter(updated_at__gte=now - TIDIED_SINCE).order_by("pk")
    count = 0
    for storage in recent.values_list("storage", flat=True).iterator(chunk_size=2000):
        if folder_of(storage).is_dir():
            upkeep.tidy(storage)
            count += 1
    return count


def _loose_head(storage: str, branch: str) -> str:
    """The branch's commit where it is in a file of its own, which is nearly always; else nothing."""
    try:
        return (folder_of(storage) / "refs" / "heads" / branch).read_text().strip()
    except OSError:
        return ""


def catch_up_one(*, repository_id: int, now: datetime) -> bool:
    """Index one repository if its row is behind; return whether it was."""
    repository = Repository.objects.live().with_owner().filter(pk=repository_id).first()
    if repository is None:
        return False
    try:
        git = selectors.git_of(repository)
    except FileNotFoundError:
        return False
    head = git.target(f"refs/heads/{repository.default_branch}")
    if head is None or head == repository.head_sha:
        return False
    facts = indexing.read_facts(repository, head)
    pointers = list(git.pointers([head]))
    with transaction.atomic(durable=True):
        locked = locking.lock_repository(repository_id)
        if git.target(f"refs/heads/{locked.default_branch}") != head:
            return False  # the branch moved again, and that move updates the row
        old, locked.head_sha, locked.updated_at = locked.head_sha, head, now
        locked.save(update_fields=["head_sha", "updated_at"])
        links.link(locked, links.usable(locked.pk, None, pointers), now)
        indexing.store_facts(locked, facts, now=now)
        revision_committed.send(
            sender=Repository,
            repository=locked,
            ref=f"refs/heads/{locked.default_branch}",
            old=old,
            new=head,
            actor=SYSTEM,
        )
    return True
