"""A repository's document for the search index: made from its row and its facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from hub.repos.models import Repository
from hub.revisions.models import RepositoryFacts
from hub.search import index, tokens
from hub.search.index import Document


def document(
    repository: Repository,
    *,
    card: Mapping[str, Any] | None = None,
    tags: Sequence[str] = (),
    text: str = "",
) -> Document:
    """The tokens of one repository; `text` is the card's prose."""
    pretty = (card or {}).get("pretty_name") or (card or {}).get("title")
    names = tokens.words(repository.full_name, pretty if isinstance(pretty, str) else "")
    known = set(names)
    words = tokens.words(repository.namespace.full_name, repository.description, " ".join(tags), text)
    return Document(
        repository_id=repository.pk,
        grams=tokens.grams(repository.full_name),
        names=names,
        words=[word for word in words if word not in known],
    )


def put(repositories: Iterable[Repository]) -> None:
    """Step: bring the index up to date from the stored rows; deleted repositories are forgotten."""
    live = {repository.pk: repository for repository in repositories if repository.deleted_at is None}
    facts = {
        found.pk: found
        for found in RepositoryFacts.objects.filter(pk__in=list(live)).only("card_data", "tags", "text")
    }
    made = []
    for pk, repository in live.items():
        known = facts.get(pk)
        if known is None:
            made.append(document(repository))
        else:
            made.append(document(repository, card=known.card_data, tags=known.tags, text=known.text))
    index.put(made)


def with_names() -> QuerySet[Repository]:
    """The rows that `put` wants, the owner loaded."""
    return Repository.objects.select_related("namespace")
