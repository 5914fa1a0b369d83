"""What a model was made from, and what was made from it, for its page."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count

from hub.accounts.principals import Principal
from hub.repos import policies
from hub.repos.models import Kind, Repository
from hub.revisions.models import RepositoryTag

RELATIONS = ("finetune", "adapter", "quantized", "merge")


@dataclass(frozen=True, slots=True)
class Family:
    """`bases` are ids as the card names them; `children` (relation, how many, tag that lists them)."""

    relation: str
    bases: list[str]
    children: list[tuple[str, int, str]]


def family_of(actor: Principal, repository: Repository, tags: list[str]) -> Family | None:
    """None for what is no model, or stands alone. One query."""
    if repository.kind != Kind.MODEL:
        return None
    relation, bases = "", []
    for name in RELATIONS:
        prefix = f"base_model:{name}:"
        if found := [tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)]:
            relation, bases = name, found
            break
    wanted = {f"base_model:{name}:{repository.full_name}": name for name in RELATIONS}
    readable = Repository.objects.live().filter(policies.readable_by(actor))
    counted = (
        RepositoryTag.objects.filter(kind=Kind.MODEL, value__in=list(wanted), repository__in=readable)
        .values_list("value")
        .annotate(times=Count("pk"))
        .order_by()
    )
    children = [(wanted[value], times, value) for value, times in counted]
    return Family(relation, bases, children) if bases or children else None
