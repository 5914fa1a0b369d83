"""Lists of repositories: every filter, order and page that doors and pages ask for.

A list is answered in one of two ways. When some filter leaves few repositories, their ids are fetched first
and only those rows are filtered and sorted. Otherwise the index of the wanted order is walked until the page
is full, which is soon, since no filter leaves out much. Neither way depends on how far down the page is.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Max, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact

from foundation import paging
from foundation.database import id_lists
from foundation.database.compiled import CompiledQuery
from hub.accounts.principals import ANONYMOUS, Principal
from hub.repos import policies
from hub.repos.models import Gating, Kind, Repository
from hub.revisions.models import RepositoryFacts, RepositoryTag
from hub.search import tokens
from hub.search.index import Field, Match
from hub.search.narrowing import (
    Candidates,
    Narrowing,
    candidates_of,
    narrowings_of,
    nothing,
    of_match,
)
from hub.search.queries import LIMIT_MAX, Facets, FacetValue, ListQuery, Page, Sort

FACET_VALUES_MAX = 60
# Wide filters are counted on so many repositories, and not at all if fewer than the second are left of them.
SAMPLE_SIZE = 2_000
SAMPLE_LEFT_LEAST = 40
# A count that took a second is cached for a hundred.
KEPT_TIMES_TAKEN = 100
# Slower counts are renewed by a job before they expire (`jobs.count_slow_facets`).
SLOW_SECONDS = 0.05
SLOW_KEPT_SECONDS = 600
WIDE = frozenset({"siblings", "headers", "text", "card_data", "config", "card_errors", "transformers_info"})


# Moments and texts that no row of a list shows.
UNUSED = ("facts__indexed_at", "namespace__created_at", "namespace__details")


def list_repositories(*, actor: Principal, kind: str, query: ListQuery) -> Page:
    """One page of the repositories of a kind that the actor may know of.

    Raises: InvalidCursor.
    """
    limit = max(1, min(query.limit, LIMIT_MAX))
    sort = query.sort
    if sort is Sort.RELEVANCE and not query.text.strip():
        sort = Sort.TRENDING
    start = paging.read_position(query.cursor, is_time=sort.is_time) if query.cursor else None
    tiers = _tiers(query.text, ranked=sort is Sort.RELEVANCE)
    found: list[tuple[int, Repository]] = []
    narrowings = narrowings_of(kind, query)
    for tier, match in tiers:
        if start is not None and tier < start.tier:
            continue
        position = start if start is not None and tier == start.tier else None
        every = narrowings if match is None else [*narrowings, of_match(match)]
        rows = _rows(actor, kind, query, every, sort, position, limit + 1 - len(found))
        found += [(tier, row) for row in rows]
        if len(found) > limit:
            break
    more = len(found) > limit
    del found[limit:]
    if not more or not found:
        return Page([row for _, row in found], None)
    tier, last = found[-1]
    cursor = paging.Position(value=getattr(last, sort.field), pk=last.pk, tier=tier).render()
    return Page([row for _, row in found], cursor)


def _tiers(text: str, *, ranked: bool) -> list[tuple[int, Match | None]]:
    """The tiers of a text search, best first: it is the name, it is in the name, it is anywhere."""
    if not text.strip():
        return [(0, None)]
    terms = tokens.query_terms(text)
    if not terms:
        return []
    if not ranked:
        return [(0, Match(Field.ANY, terms))]
    exact = tokens.exact_terms(text)
    whole = (Match(Field.GRAMS, exact),) if exact else ()
    in_name = Match(Field.NAMES, terms)
    return [
        *((0, match) for match in whole),
        (1, replace(in_name, besides=whole)),
        (2, Match(Field.ANY, terms, besides=(in_name, *whole))),
    ]


def _matching(
    actor: Principal, kind: str, query: ListQuery, narrowings: list[Narrowing], candidates: Candidates
) -> QuerySet[Repository]:
    found = Repository.objects.live().filter(policies.readable_by(actor))
    if candidates.used is not None:
        found = found.filter(id_lists.Among("pk", candidates.ids))
    if candidates.used is not None and connection.vendor == "sqlite":
        # Hidden from the planner: seeing `kind = …`, SQLite would walk a whole index to find a few ids.
        found = found.filter(Exact(Coalesce("kind", Value("")), kind))
    else:
        found = found.filter(kind=kind)
    for narrowing in narrowings:
        if narrowing is not candidates.used or not narrowing.is_exact:
            found = found.filter(narrowing.condition)
    if query.is_gated is False:
        found = found.exclude(gating__in=(Gating.AUTO, Gating.MANUAL))
    if query.is_private is not None:
        found = found.filter(visibility="private" if query.is_private else "public")
    if query.parameters_min is not None:
        found = found.filter(facts__parameters_total__gte=query.parameters_min)
    if query.parameters_max is not None:
        found = found.filter(facts__parameters_total__lte=query.parameters_max)
    return found


def _rows(
    actor: Principal,
    kind: str,
    query: ListQuery,
    narrowings: list[Narrowing],
    sort: Sort,
    position: paging.Position | None,
    limit: int,
) -> list[Repository]:
    if actor.is_anonymous and position is None and not narrowings and not _is_narrowed(query):
        return _loaded(_first_public(sort, limit).values(kind=kind), query.wide)
    candidates = candidates_of(narrowings)
    if candidates.used is not None and not candidates.ids:
        return []
    found = _matching(actor, kind, query, narrowings, candidates)
    if position is not None:
        found = found.filter(paging.After(sort.field, position.value, position.pk))
    return _loaded(list(_first_ids(found, sort, limit)), query.wide)


def _first_ids(found: QuerySet[Repository], sort: Sort, limit: int) -> QuerySet[Repository, int]:
    return found.order_by(f"-{sort.field}", "-pk").values_list("pk", flat=True)[:limit]


def _is_narrowed(query: ListQuery) -> bool:
    """True if `_matching` narrows by a condition that does not narrow by itself."""
    bounds = (query.is_gated, query.is_private, query.parameters_min, query.parameters_max)
    return any(bound is not None for bound in bounds)


@functools.lru_cache(maxsize=128)
def _first_public(sort: Sort, limit: int) -> CompiledQuery[Repository]:
    """The ids of the first page of a kind as everybody sees it: what most lists ask for."""

    def build(kind: str) -> QuerySet[Repository, int]:
        return _first_ids(_matching(ANONYMOUS, kind, ListQuery(), [], Candidates([], None)), sort, limit)

    return CompiledQuery(build, kind="?kind")


def _loaded(ids: list[int], wide: frozenset[str]) -> list[Repository]:
    """The repositories with these ids, in their order, each with its namespace and facts.

    Composing this query takes Django longer than answering it takes the database, so it is prepared.
    """
    if not ids:
        return []
    rows = _of_ids(wide).all(ids=id_lists.listed(ids, vendor=connection.vendor))
    by_id = {row.pk: row for row in rows}
    return [by_id[pk] for pk in ids if pk in by_id]


@functools.cache
def _of_ids(wide: frozenset[str]) -> CompiledQuery[Repository]:
    left_out = [*UNUSED, *(f"facts__{column}" for column in WIDE - wide)]
    return CompiledQuery(
        lambda ids: (
            Repository.objects.filter(id_lists.Listed("pk", str(ids)))
            .select_related("namespace", "facts")
            .defer(*left_out)
        ),
        ids="?ids",
    )


def count_by_parameters(bounds: Mapping[str, tuple[int | None, int | None]]) -> dict[str, int]:
    """Name of a class → how many public models are within its bounds, which belong to it; one statement."""
    public = RepositoryFacts.objects.filter(
        repository__in=Repository.objects.live().filter(policies.readable_by(ANONYMOUS), kind=Kind.MODEL),
        parameters_total__isnull=False,
    )
    counted = {
        f"class_{name}": Count(
            "pk",
            filter=Q(parameters_total__gte=low or 0)
            & (Q() if high is None else Q(parameters_total__lte=high)),
        )
        for name, (low, high) in bounds.items()
    }
    found = public.aggregate(**counted)
    return {name: found[f"class_{name}"] for name in bounds}


def find_facets(*, actor: Principal, kind: str, query: ListQuery) -> Facets:
    """The values by which the list can be filtered further, with counts.

    Exact where some filter leaves few repositories, and without any filter. Else estimated from a sample;
    where even that leaves too few to tell, the counts of the whole kind's public ones.
    """
    narrowings = narrowings_of(kind, query)
    if query.text.strip():
        terms = tokens.query_terms(query.text)
        narrowings.append(of_match(Match(Field.ANY, terms)) if terms else nothing())
    candidates = candidates_of(narrowings)
    if candidates.used is None:
        if not narrowings and query.is_gated is None and query.is_private is None:
            return _facets_of_kind(kind, is_exact=True)
        return _estimated(actor, kind, query, narrowings) or _facets_of_kind(kind, is_exact=False)
    matching = _matching(actor, kind, query, narrowings, candidates)
    left = list(matching.order_by().values_list("pk", flat=True))
    tags = RepositoryTag.objects.filter(id_lists.Among("repository_id", left))
    return Facets(_counted(tags), total=len(left))


def _estimated(actor: Principal, kind: str, query: ListQuery, narrowings: list[Narrowing]) -> Facets | None:
    """Counts of what is left of a sample, scaled up; exact where the sample is everything."""
    total, ids = _sample(kind)
    sampled = Narrowing(lambda _: ids, Q())
    matching = _matching(actor, kind, query, narrowings, Candidates(ids, sampled))
    left = list(matching.order_by().values_list("pk", flat=True))
    is_exact = total == len(ids)
    if len(left) < SAMPLE_LEFT_LEAST and not is_exact:
        return None
    counted = _counted(RepositoryTag.objects.filter(id_lists.Among("repository_id", left)))
    if is_exact:
        return Facets(counted, total=len(left))
    scale = total / len(ids)
    by_type = {
        type_: [FacetValue(found.value, _rounded(found.count * scale)) for found in values]
        for type_, values in counted.items()
    }
    return Facets(by_type, total=_rounded(len(left) * scale), is_exact=False, is_estimate=True)


def _sample(kind: str) -> tuple[int, list[int]]:
    """The number of repositories of the kind, and the ids of an evenly spread sample."""
    name = _sample_name(kind)
    kept = cache.get(name)
    if kept is None:
        started = time.monotonic()
        ids = list(Repository.objects.live().filter(kind=kind).order_by("pk").values_list("pk", flat=True))
        step = max(1, -(-len(ids) // SAMPLE_SIZE))
        kept = [len(ids), ids[::step]]
        if step > 1:
            # A sample that is everything is not kept: it has to know of what came a moment ago.
            seconds = max(SLOW_KEPT_SECONDS, (time.monotonic() - started) * KEPT_TIMES_TAKEN)
            cache.set(name, kept, seconds)
    return kept[0], kept[1]


def _sample_name(kind: str) -> str:
    return f"search:sample:{kind}"


def _rounded(number: float) -> int:
    """To two digits: a sample knows no more."""
    return int(float(f"{number:.1e}"))


def _counted(tags: QuerySet[RepositoryTag]) -> dict[str, list[FacetValue]]:
    return _top(tags.order_by().values_list("type", "value").annotate(times=Count("pk")))


def _top(rows: Iterable[tuple[str, str, int]]) -> dict[str, list[FacetValue]]:
    by_type: dict[str, list[FacetValue]] = {}
    for type_, value, times in sorted(rows, key=lambda row: (-row[2], row[1])):
        values = by_type.setdefault(type_, [])
        if len(values) < FACET_VALUES_MAX:
            values.append(FacetValue(value, times))
    return by_type


def _facets_of_kind(kind: str, *, is_exact: bool) -> Facets:
    """Counted over the public repositories, and remembered for 100 times as long as counting took."""
    kept = cache.get(_facets_name(kind))
    total, _, by_type = kept if kept is not None else count_facets(kind)
    values = {type_: [FacetValue(*pair) for pair in pairs] for type_, pairs in by_type.items()}
    return Facets(values, total=total, is_exact=is_exact)


def _facets_name(kind: str) -> str:
    return f"search:facets:{kind}"


def slow_facets() -> list[str]:
    """The kinds whose counts took so long that requests must not wait for them; they are computed in the
    background.
    """
    kept = {kind: cache.get(_facets_name(kind)) for kind in Kind.values}
    return [kind for kind, found in kept.items() if found is not None and found[1] >= SLOW_SECONDS]


def count_facets(kind: str) -> tuple[int, float, dict[str, list[tuple[str, int]]]]:
    """Count the public repositories of a kind by tag, and remember it: (total, seconds it took, by type)."""
    started = time.monotonic()
    total, counted = _count_public(kind)
    by_type = {type_: [(found.value, found.count) for found in values] for type_, values in counted.items()}
    seconds = time.monotonic() - started
    kept_seconds = max(seconds * KEPT_TIMES_TAKEN, SLOW_KEPT_SECONDS if seconds >= SLOW_SECONDS else 0)
    cache.set(_facets_name(kind), [total, seconds, by_type], kept_seconds)
    return total, seconds, by_type


def _count_public(kind: str) -> tuple[int, dict[str, list[FacetValue]]]:
    """All tags of the kind, read from one index, less those of the few repositories that are not public."""
    every = Repository.objects.filter(kind=kind).order_by()
    hidden = every.exclude(pk__in=every.live().filter(policies.readable_by(ANONYMOUS)).values("pk"))
    tags = RepositoryTag.objects.filter(kind=kind).order_by()
    rows = tags.values_list("value").annotate(type=Max("type"), times=Count("pk"))
    less = dict(
        tags.filter(repository__in=hidden.values("pk")).values_list("value").annotate(times=Count("pk"))
    )
    counted = [(type_, value, times - less.get(value, 0)) for value, type_, times in rows]
    return every.count() - hidden.count(), _top(row for row in counted if row[2])
