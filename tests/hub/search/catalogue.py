"""A small hub to search in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hub.accounts.models import Namespace
from hub.repos.models import Repository
from hub.revisions.facts.tags import Tag
from hub.revisions.indexing import Facts, store_facts

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def add(
    full_name: str,
    *,
    kind: str = "model",
    tags: Sequence[str] = (),
    task: str = "",
    text: str = "",
    pretty_name: str = "",
    parameters: int | None = None,
    **columns: object,
) -> Repository:
    """A repository without git, indexed as its first commit would."""
    owner, _, name = full_name.partition("/")
    namespace, _ = Namespace.objects.get_or_create(
        key=owner.lower(), defaults={"name": owner, "kind": "organization"}
    )
    number = Repository.objects.count()
    values: dict[str, object] = {
        "visibility": "public",
        "head_sha": "a" * 40,
        "created_at": NOW + timedelta(minutes=number),
        "updated_at": NOW + timedelta(minutes=number),
        **columns,
    }
    repository = Repository.objects.create(
        kind=kind, namespace=namespace, name=name, key=name.lower(), full_name=full_name, **values
    )
    found = [Tag("other", tag) for tag in tags]
    if task:
        found.append(Tag("pipeline_tag", task))
    facts = Facts(
        commit="a" * 40,
        siblings=[],
        files_total=0,
        used_storage_bytes=0,
        card_data={"pretty_name": pretty_name} if pretty_name else None,
        text=text,
        pipeline_tag=task,
        tags=found,
        safetensors={"parameters": {"F32": parameters}, "total": parameters} if parameters else None,
    )
    store_facts(repository, facts, now=NOW)
    return repository
