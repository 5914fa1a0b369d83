"""Facts from below that the index of content follows, in the transaction that makes them true."""

from __future__ import annotations

from django.dispatch import receiver

from hub.gitstore import Ref
from hub.repos.locking import LockedRepository
from hub.repos.models import Repository
from hub.repos.signals import repository_created
from hub.revisions import indexing, refs
from hub.revisions.models import RepositoryFacts


@receiver(repository_created)
def take_first_commit(*, repository: Repository, **_: object) -> None:
    """The first commit holds a few small files, read in process: no reason to show a page without them.

    A duplicate comes with a whole history: with its refs, and with its facts.
    """
    if RepositoryFacts.objects.filter(repository=repository).exists():
        return
    head = repository.head_sha
    refs.replace(LockedRepository(repository), [Ref(f"refs/heads/{repository.default_branch}", head, head)])
    facts = indexing.read_facts(repository, head)
    indexing.store_facts(repository, facts, now=repository.created_at)
