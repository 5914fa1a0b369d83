"""The filters of a list, each with the ids that may meet it and the condition that decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q
from django.db.models.expressions import RawSQL

from hub.accounts.models import Namespace, name_key
from hub.repos.models import Gating, Repository
from hub.revisions.models import RepositoryFacts, RepositoryTag
from hub.search import index, tokens
from hub.search.index import Field, Match
from hub.search.queries import FILTERS_MAX, ListQuery

# Up to here sorting what a filter leaves is quicker than walking past what it leaves out.
CANDIDATES_MAX = 1_000
# A filter that leaves this few is used at once, without asking how few the others leave.
FEW = 100


@dataclass(frozen=True, slots=True)
class Narrowing:
    """One filter: how to find at most n ids that may meet it, and the condition that decides.

    `is_exact`: who is among all the ids meets the condition.
    """

    ids: Callable[[int], list[int]]
    condition: Q | Exists
    is_exact: bool = True


def narrowings_of(kind: str, query: ListQuery) -> list[Narrowing]:
    found = []
    if query.author:
        found.append(_of_author(kind, query.author))
    tags = list(dict.fromkeys(query.tags[:FILTERS_MAX]))
    found += [_of_tag(kind, tag) for tag in tags]
    if len(tags) > 1:
        found.append(_of_tags(kind, tags))
    if query.is_gated:
        found.append(_gated(kind))
    if query.task:
        found.append(_of_tag(kind, query.task, type_="pipeline_tag"))
    if query.parameters_min is not None or query.parameters_max is not None:
        found.append(_of_size(query.parameters_min, query.parameters_max))
    parts, others = tokens.split_search(query.search[:FILTERS_MAX])
    found += [_of_part(part) for part in dict.fromkeys(parts)]
    for other in others:
        terms = tokens.query_terms(other)
        found.append(of_match(Match(Field.ANY, terms)) if terms else nothing())
    return found


def nothing() -> Narrowing:
    return Narrowing(lambda _: [], Q(pk__in=[]))


def _of_author(kind: str, author: str) -> Narrowing:
    owner = Namespace.objects.filter(key=name_key(author)).values_list("pk", flat=True).first()
    if owner is None:
        return nothing()
    mine = Repository.objects.live().filter(namespace_id=owner, kind=kind).order_by()
    return Narrowing(lambda limit: list(mine.values_list("pk", flat=True)[:limit]), Q(namespace_id=owner))


def _gated(kind: str) -> Narrowing:
    gated = Repository.objects.filter(kind=kind, gating__in=(Gating.AUTO, Gating.MANUAL)).order_by()
    # Said differently where the list is walked, lest the planner take this index and sort what it finds.
    return Narrowing(lambda limit: list(gated.values_list("pk", flat=True)[:limit]), ~Q(gating=Gating.OPEN))


def _of_tag(kind: str, value: str, *, type_: str = "") -> Narrowing:
    tagged = RepositoryTag.objects.filter(value=value)
    if type_:
        tagged = tagged.filter(type=type_)
    listed = tagged.filter(kind=kind).order_by().values_list("repository_id", flat=True)
    return Narrowing(lambda limit: list(listed[:limit]), Exists(tagged.filter(repository_id=OuterRef("pk"))))


def _of_tags(kind: str, values: list[str]) -> Narrowing:
    """All at once: many may have each, and few have all. Both sides are read from one index in one order."""
    first, *others = values
    both = RepositoryTag.objects.filter(kind=kind, value=first).order_by()
    for value in others:
        again = RepositoryTag.objects.filter(kind=kind, value=value, repository_id=OuterRef("repository_id"))
        both = both.filter(Exists(again))
    listed = both.values_list("repository_id", flat=True)
    # The single tags' conditions decide already.
    return Narrowing(lambda limit: list(listed[:limit]), Q())


def _of_size(least: int | None, most: int | None) -> Narrowing:
    """By the number of parameters; many models say none."""
    sized = RepositoryFacts.objects.exclude(parameters_total=None).order_by()
    if least is not None:
        sized = sized.filter(parameters_total__gte=least)
    if most is not None:
        sized = sized.filter(parameters_total__lte=most)
    listed = sized.values_list("repository_id", flat=True)
    # `_matching` returns the condition for callers that use none of the ids.
    return Narrowing(lambda limit: list(listed[:limit]), Q())


def _of_part(part: str) -> Narrowing:
    """A piece of the id. A single character is in nearly every id, so it is never looked up."""
    condition = Q(full_name__icontains=part)
    if len(part) < 2:
        return Narrowing(lambda limit: [0] * limit, condition, is_exact=False)
    match = Match(Field.GRAMS, ((tokens.gram_words(part),),))
    return Narrowing(lambda limit: index.first_ids(match, limit), condition, is_exact=False)


def of_match(match: Match) -> Narrowing:
    sql, parameters = index.dialect().ids(match)
    return Narrowing(
        lambda limit: index.first_ids(match, limit),
        Q(pk__in=RawSQL(sql, tuple(parameters))),  # noqa: S611
    )


@dataclass(frozen=True, slots=True)
class Candidates:
    """The ids that the narrowest filter leaves, and that filter; None when all leave many."""

    ids: list[int]
    used: Narrowing | None


def candidates_of(narrowings: list[Narrowing]) -> Candidates:
    best = Candidates([], None)
    limit = CANDIDATES_MAX + 1
    for narrowing in narrowings:
        ids = narrowing.ids(limit)
        if len(ids) < limit:
            best, limit = Candidates(ids, narrowing), len(ids)
            if limit <= FEW:
                break
    return best
