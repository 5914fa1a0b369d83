"""Facts from below that the word index follows, in the transaction that makes them true."""

from __future__ import annotations

from django.db.models.signals import post_delete
from django.dispatch import receiver

from hub.accounts.models import Namespace
from hub.accounts.signals import namespace_renamed
from hub.repos.models import Repository
from hub.repos.signals import (
    repository_changed,
    repository_created,
    repository_deleted,
    repository_moved,
    repository_restored,
)
from hub.revisions.indexing import Facts
from hub.revisions.signals import revision_indexed
from hub.search import documents, index

NAMESPACE_BATCH = 500


@receiver([repository_created, repository_moved, repository_changed, repository_restored])
def follow_record(*, repository: Repository, **_: object) -> None:
    documents.put([repository])


@receiver(revision_indexed)
def follow_content(*, repository: Repository, facts: Facts, **_: object) -> None:
    if repository.deleted_at is None:
        tags = [tag.value for tag in facts.tags]
        index.put([documents.document(repository, card=facts.card_data, tags=tags, text=facts.text)])


@receiver(repository_deleted)
def forget_deleted(*, repository: Repository, **_: object) -> None:
    index.remove([repository.pk])


@receiver(post_delete, sender=Repository)
def forget_purged(*, instance: Repository, **_: object) -> None:
    index.remove([instance.pk])


@receiver(namespace_renamed)
def follow_namespace(*, namespace: Namespace, **_: object) -> None:
    found = documents.with_names().filter(namespace=namespace).order_by("pk")
    batch: list[Repository] = []
    for repository in found.iterator(chunk_size=NAMESPACE_BATCH):
        batch.append(repository)
        if len(batch) == NAMESPACE_BATCH:
            documents.put(batch)
            batch.clear()
    documents.put(batch)
