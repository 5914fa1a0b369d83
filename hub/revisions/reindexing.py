"""Making the index of content anew from git, one repository at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from foundation.redis_connection import connection, key
from hub import gitstore
from hub.repos import locking
from hub.repos.models import Repository
from hub.revisions import indexing, ref_copies, refs

POSITION_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Outcome:
    """`problem` says why a repository could not be read; empty when it was."""

    repository_id: int
    full_name: str
    problem: str = ""


def _place() -> str:
    return key("revisions", "reindex")


def position() -> int:
    """The id after which an interrupted run goes on; 0 for the beginning."""
    return int(connection().get(_place()) or 0)


def remember(position: int) -> None:
    """0 forgets: the run is over."""
    if position:
        connection().set(_place(), position, ex=POSITION_SECONDS)
    else:
        connection().delete(_place())


def count(*, after: int = 0) -> int:
    return Repository.objects.live().filter(pk__gt=after).count()


def reindex_all(*, after: int = 0, now: datetime) -> Iterator[Outcome]:
    """Index every live repository again, in order of id. Killed and started again, it goes on."""
    ids = list(Repository.objects.live().filter(pk__gt=after).order_by("pk").values_list("pk", flat=True))
    for repository_id in ids:
        repository = Repository.objects.live().with_owner().filter(pk=repository_id).first()
        if repository is not None:
            yield reindex(repository, now=now)


def reindex(repository: Repository, *, now: datetime) -> Outcome:
    """Update the rows of one repository from git.

    Git is read outside the transaction. If the branch moves meanwhile, that move has updated the index.
    """
    named = (repository.pk, f"{repository.kind} {repository.full_name}")
    try:
        found = list(ref_copies.differences(repository))
    except FileNotFoundError:
        return Outcome(*named, problem="its git repository is missing")
    damaged = [str(difference) for difference in found if difference.is_damaged]
    if damaged:
        return Outcome(*named, problem="; ".join(damaged))
    head = refs.commit_of(repository, f"refs/heads/{repository.default_branch}")
    if head is None:
        return Outcome(*named, problem=f"it has no branch {repository.default_branch}")
    try:
        facts = indexing.read_facts(repository, head)
    except gitstore.UNREADABLE as error:
        return Outcome(*named, problem=f"files of {head[:12]} cannot be read ({error})")
    with transaction.atomic(durable=True):
        locked = locking.lock_repository(repository.pk)
        if refs.commit_of(locked, f"refs/heads/{locked.default_branch}") == head:
            if locked.head_sha != head:
                locked.head_sha = head
                locked.save(update_fields=["head_sha"])
            indexing.store_facts(locked, facts, now=now)
    return Outcome(*named, problem="; ".join(map(str, found)))
