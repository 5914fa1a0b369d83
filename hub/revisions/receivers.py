"""Facts from below that the index of content follows, in the transaction that makes them true."""

from __future__ import annotations

from django.dispatch import receiver

from hub.repos.models import Repository
from hub.repos.signals import repository_created
from hub.revisions import indexing
from hub.revisions.models import RepositoryFacts


@receiver(repository_created)
def index_first_commit(*, repository: Repository, **_: object) -> None:
    """The first commit holds a few small files, read in process: no reason to show a page without them.

    A duplicate comes with a whole history, and with its facts.
    """
    if RepositoryFacts.objects.filter(repository=repository).exists():
        return
    facts = indexing.read_facts(repository, repository.head_sha)
    indexing.store_facts(repository, facts, now=repository.created_at)
