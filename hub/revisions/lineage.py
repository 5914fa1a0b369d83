"""The tree of base models: what a model was made from, and what was made from it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Count, QuerySet

from hub.accounts.principals import Principal
from hub.repos import policies
from hub.repos.models import Kind, Repository
from hub.revisions.facts.tags import RELATIONS, USES_MODEL
from hub.revisions.models import RepositoryTag


@dataclass(frozen=True, slots=True)
class BaseModels:
    """The models that one was made from, as its card names them, and how."""

    relation: str
    repo_ids: list[str]


def base_models(tags: list[str]) -> BaseModels | None:
    """Read from a model's tags; None when its card names no base."""
    for relation in RELATIONS:
        prefix = f"base_model:{relation}:"
        found = [tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)]
        if found:
            return BaseModels(relation, found)
    return None


def children_counts(*, actor: Principal, repo_ids: Collection[str]) -> dict[str, dict[str, int]]:
    """For each id, by relation, how many models that the actor may know of were made from it. One query."""
    wanted = {
        f"base_model:{relation}:{repo_id}": (repo_id, relation)
        for repo_id in repo_ids
        for relation in RELATIONS
    }
    counted = (
        RepositoryTag.objects.filter(kind=Kind.MODEL, value__in=list(wanted))
        .filter(repository__in=_readable(actor))
        .values_list("value")
        .annotate(times=Count("pk"))
    )
    counts: dict[str, dict[str, int]] = {repo_id: {} for repo_id in repo_ids}
    for value, times in counted.order_by():
        repo_id, relation = wanted[value]
        counts[repo_id][relation] = times
    return counts


def spaces_using(
    *, actor: Principal, repo_ids: Collection[str], limit_each: int = 100
) -> dict[str, list[str]]:
    """For each model's id the spaces whose cards name it. One query."""
    wanted = {f"model:{repo_id}": repo_id for repo_id in repo_ids}
    named = (
        RepositoryTag.objects.filter(kind=Kind.SPACE, type=USES_MODEL, value__in=list(wanted))
        .filter(repository__in=_readable(actor))
        .order_by("-repository__likes", "repository_id")
        .values_list("value", "repository__full_name")
    )
    spaces: dict[str, list[str]] = {repo_id: [] for repo_id in repo_ids}
    for value, full_name in named[: limit_each * len(wanted)]:
        spaces[wanted[value]].append(full_name)
    return {repo_id: names[:limit_each] for repo_id, names in spaces.items()}


def children(*, actor: Principal, repo_id: str, relation: str) -> QuerySet[Repository]:
    """The models made from this one in one way, the most fetched first."""
    tagged = RepositoryTag.objects.filter(kind=Kind.MODEL, value=f"base_model:{relation}:{repo_id}")
    return (
        _readable(actor)
        .filter(pk__in=tagged.values("repository_id"))
        .select_related("namespace", "facts")
        .order_by("-downloads_30d", "-pk")
    )


def _readable(actor: Principal) -> QuerySet[Repository]:
    return Repository.objects.live().filter(policies.readable_by(actor))
