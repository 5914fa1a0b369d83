"""Jobs of revisions: what follows from refs is brought up to them, and git packs what changed."""

from __future__ import annotations

import contextlib
import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from foundation.database.pages import page_by_page
from hub import gitstore
from hub.accounts.principals import SYSTEM
from hub.gitstore import upkeep
from hub.gitstore.errors import ObjectNotVisible
from hub.lfs import links
from hub.repos import holds, locking
from hub.repos.models import Repository
from hub.revisions import indexing, ref_copies, selectors
from hub.revisions.models import RepositoryFacts
from hub.revisions.signals import revision_committed

# A day's changes, and some more for a sweep that came late.
TIDIED_SINCE = timedelta(hours=26)
# The sweep runs every ten minutes.
PUBLISHED_SINCE = timedelta(hours=1)


def catch_up(*, now: datetime) -> int:
    """Bring up what is behind the refs; return how many repositories were indexed.

    Repositories of an earlier release get the rows of their refs, those whose index is of another commit than
    their head are indexed, and git's files of refs follow the rows.
    """
    for _ in ref_copies.fill_all():
        pass
    behind = Repository.objects.live().exclude(head_sha="").exclude(facts__commit_sha=F("head_sha"))
    indexed = 0
    for pk in list(behind.order_by("pk").values_list("pk", flat=True)):
        # `reindex` names a repository whose objects are missing or damaged.
        with contextlib.suppress(*gitstore.UNREADABLE):
            indexed += catch_up_one(repository_id=pk, now=now)
    ref_copies.publish_changed(since=now - PUBLISHED_SINCE)
    return indexed


def tidy(*, now: datetime) -> int:
    """Let git pack what lately changed; return how many repositories were looked at: none during a backup.

    It can take hours. A backup that begins meanwhile ends it: git drops old objects, which the backup's rows
    may name.
    """
    began = time.monotonic()
    recent = Repository.objects.live().filter(updated_at__gte=now - TIDIED_SINCE)
    count = 0
    for repository in page_by_page(recent):
        at = now + timedelta(seconds=time.monotonic() - began)
        if holds.is_held(at):
            break
        with contextlib.suppress(FileNotFoundError, ObjectNotVisible):
            count += tidy_one(repository, now=at)
    return count


def tidy_one(repository: Repository, *, now: datetime) -> bool:
    """Let git pack one repository, unless another worker does; return whether it was done here.

    git keeps a second process out by a file, which another node sees late; so the row says that one packs.
    A killed worker's turn ends by itself. Raises: FileNotFoundError without a git folder.
    """
    own = Repository.objects.filter(pk=repository.pk)
    until = now + timedelta(seconds=upkeep.SECONDS_MAX + 60)
    if not own.filter(Q(packing_until=None) | Q(packing_until__lte=now)).update(packing_until=until):
        return False
    try:
        # git drops old objects that no ref in its files leads to. The row here may be older than its refs.
        ref_copies.publish(repository, is_forced=True)
        upkeep.tidy(repository.storage)
    finally:
        own.filter(packing_until=until).update(packing_until=None)
    return True


def catch_up_one(*, repository_id: int, now: datetime) -> bool:
    """Index one repository if its index is not of its head; return whether it was behind.

    The large objects that its head names are linked, too.
    """
    repository = Repository.objects.live().with_owner().filter(pk=repository_id).first()
    if repository is None:
        return False
    try:
        git = selectors.git_of(repository)
    except FileNotFoundError:
        return False
    known = RepositoryFacts.objects.filter(repository=repository).values_list("commit_sha", flat=True).first()
    head = repository.head_sha
    if known == head or git.commit_behind(head) is None:
        return False
    facts = indexing.read_facts(repository, head)
    pointers = list(git.pointers([head]))
    with transaction.atomic(durable=True):
        locked = locking.lock_repository(repository_id)
        if locked.head_sha != head:
            return False  # the branch moved again, and that move updates the index
        locked.updated_at = now
        locked.save(update_fields=["updated_at"])
        links.link(locked, links.usable(locked.pk, None, pointers), now)
        indexing.store_facts(locked, facts, now=now)
        revision_committed.send(
            sender=Repository,
            repository=locked,
            ref=f"refs/heads/{locked.default_branch}",
            old=known,
            new=head,
            actor=SYSTEM,
        )
    return True
