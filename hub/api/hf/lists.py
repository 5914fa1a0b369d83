"""Lists of repositories, and the tags they can be narrowed by (docs/wire/huggingface.md#lists)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _

from foundation.errors import Invalid
from hub.accounts.principals import ANONYMOUS
from hub.api.hf import info, related
from hub.api.hf.answers import info as answers
from hub.api.hf.http import actor, boolean, integer, repeated, route, with_next
from hub.api.structs import Ordered, answer_with
from hub.repos import policies
from hub.repos.models import Kind, Repository
from hub.revisions import selectors as revisions
from hub.revisions.models import RepositoryFacts
from hub.search import selectors
from hub.search.queries import LIMIT_MAX, ListQuery, Sort

LIMIT_DEFAULT = 100
FOUND_MAX = 100
SORTS = {
    "lastModified": Sort.UPDATED,
    "last_modified": Sort.UPDATED,
    "updatedAt": Sort.UPDATED,
    "createdAt": Sort.CREATED,
    "created_at": Sort.CREATED,
    "downloads": Sort.DOWNLOADS,
    "downloads30d": Sort.DOWNLOADS,
    "likes": Sort.LIKES,
    "likes30d": Sort.TRENDING,
    "trendingScore": Sort.TRENDING,
    "trending_score": Sort.TRENDING,
    "trending": Sort.TRENDING,
}
# The fields of a row in every list, and those that `full` adds.
BRIEF = (
    "private gated disabled downloads likes tags trendingScore createdAt lastModified library_name "
    "pipeline_tag sdk"
).split()
FULL = "author sha siblings".split()
# So many files the rows of one page list together; rows that do not fit have no `siblings`.
SIBLINGS_A_PAGE = 100_000
# Property → the facts' large column that it is made from.
COLUMNS = {
    "cardData": "card_data",
    "config": "config",
    "mask_token": "config",
    "transformersInfo": "transformers_info",
    "model-index": "card_data",
    "widgetData": "card_data",
    "sdk": "card_data",
    "models": "card_data",
    "datasets": "card_data",
    "citation": "card_data",
    "paperswithcode_id": "card_data",
}
# Query keys of very old clients → what stands before the value in the tag.
OLD_FILTERS = {
    "language": "",
    "library": "",
    "task": "",
    "tags": "",
    "trained_dataset": "dataset:",
    "license": "license:",
    "base_model": "base_model:",
}
# Filters that ask for models which a provider runs: here none does.
INFERENCE_FILTERS = ("inference_provider", "inference")
SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMBT]?)", re.IGNORECASE)
UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


class SortRefused(Invalid):
    code = "sort_refused"
    message = _("“sort” must be one of {allowed}.")


def list_view(request: HttpRequest, kind: str) -> HttpResponse:
    fields = _fields(request, kind)
    query = parse(request, kind, fields)
    if repeated(request, *INFERENCE_FILTERS):
        return answer_with([])
    page = selectors.list_repositories(actor=actor(request), kind=kind, query=query)
    rows = _rendered(request, page.items, fields)
    related.add(rows, fields, actor=actor(request), tags=[getattr(_facts(r), "tags", []) for r in page.items])
    order = info.order_of(fields)
    response = answer_with([Ordered(row, order) for row in rows])
    if page.next_cursor is not None:
        with_next(request, response, {"cursor": page.next_cursor})
    return response


def search_spaces(request: HttpRequest) -> HttpResponse:
    """Spaces by what they are about, the best first: the ranked search of the pages, in one answer."""
    sdks, filters = repeated(request, "sdk"), repeated(request, "filter")
    query = ListQuery(
        text=request.GET.get("q", ""),
        tags=tuple(filters),
        sort=Sort.RELEVANCE,
        limit=FOUND_MAX,
        wide=frozenset({COLUMNS["cardData"]}),
    )
    page = selectors.list_repositories(actor=actor(request), kind=Kind.SPACE, query=query)
    fields = [*BRIEF, *FULL]
    rows = _rendered(request, page.items, [*fields, "cardData"])
    for row in rows:
        card = row.card_data or {}
        row.title, row.emoji = card.get("title") or row.id.partition("/")[2], card.get("emoji")
    shown = [row for row in rows if not sdks or row.sdk in sdks]
    order = info.order_of([*fields, "title", "emoji"])
    return answer_with([Ordered(row, order) for row in shown])


def _rendered(
    request: HttpRequest, found: Sequence[Repository], fields: list[str]
) -> list[answers.RepositoryInfo]:
    fetchable = policies.fetchable(actor(request), found)
    if "siblings" in fields:
        known = (_facts(repository) for repository in found if repository.pk in fetchable)
        revisions.load_siblings((facts for facts in known if facts), files_max=SIBLINGS_A_PAGE)
    return [
        info.Info(repository, _facts(repository), can_fetch=repository.pk in fetchable).render(fields)
        for repository in found
    ]


def _facts(repository: Repository) -> RepositoryFacts | None:
    return getattr(repository, "facts", None)


def _fields(request: HttpRequest, kind: str) -> list[str]:
    """The properties of each row. Raises: ExpandRefused."""
    expanded = info.expanded_fields(request, kind)
    if expanded is not None:
        return expanded
    is_full = boolean(request, "full")
    fields = [*BRIEF, *(FULL if is_full or kind != Kind.MODEL else [])]
    if kind != Kind.SPACE:
        fields.remove("sdk")
    if kind == Kind.DATASET:
        fields.append("description")
        if not is_full:
            fields.remove("siblings")
    if boolean(request, "cardData") or (is_full and kind != Kind.MODEL):
        fields.append("cardData")
    if kind == Kind.SPACE and boolean(request, "linked"):
        fields += ["models", "datasets"]
    if boolean(request, "config"):
        fields.append("config")
    return fields


def parse(request: HttpRequest, kind: str, fields: list[str]) -> ListQuery:
    """The wire's query keys as one value. Raises: SortRefused, Invalid."""
    low, high = _parameters(request)
    return ListQuery(
        search=tuple(repeated(request, "search")),
        author=request.GET.get("author", ""),
        tags=tuple(_tags(request, kind)),
        task=request.GET.get("pipeline_tag", "") if kind == Kind.MODEL else "",
        is_gated=boolean(request, "gated") if "gated" in request.GET else None,
        parameters_min=low,
        parameters_max=high,
        sort=_sort(request),
        limit=integer(request, "limit", default=LIMIT_DEFAULT, low=1, high=LIMIT_MAX),
        cursor=request.GET.get("cursor", ""),
        wide=frozenset(COLUMNS[name] for name in fields if name in COLUMNS),
    )


def _tags(request: HttpRequest, kind: str) -> list[str]:
    found = repeated(request, "filter", "filter[]")
    for name, prefix in OLD_FILTERS.items():
        for value in repeated(request, name):
            found += [prefix + word.strip() for word in value.split(",") if word.strip()]
    if kind == Kind.SPACE:
        found += [
            f"{word[:-1]}:{value}" for word in ("models", "datasets") for value in repeated(request, word)
        ]
    return found


def _sort(request: HttpRequest) -> Sort:
    text = request.GET.get("sort", "")
    if not text:
        return Sort.TRENDING
    if text not in SORTS:
        raise SortRefused(allowed="lastModified, createdAt, downloads, likes, trendingScore")
    return SORTS[text]


def _parameters(request: HttpRequest) -> tuple[int | None, int | None]:
    """`min:6B,max:128B` → the two numbers. Raises: Invalid."""
    bounds: dict[str, int] = {}
    for piece in request.GET.get("num_parameters", "").split(","):
        if not piece.strip():
            continue
        name, __, text = piece.strip().partition(":")
        size = SIZE.fullmatch(text.strip())
        if name not in {"min", "max"} or size is None or len(text) > 24:
            raise Invalid(reason="“num_parameters” is written as “min:6B,max:128B”.")
        bounds[name] = int(float(size[1]) * UNITS[size[2].upper()])
        if bounds[name] >= 2**63:
            raise Invalid(reason="“num_parameters” is too large.")
    return bounds.get("min"), bounds.get("max")


def tags_by_type(request: HttpRequest, kind: str) -> HttpResponse:
    """Every tag that public repositories have, by what it speaks of."""
    facets = selectors.find_facets(actor=ANONYMOUS, kind=kind, query=ListQuery())
    return answer_with(
        {
            type_: [
                answers.Tag(id=found.value, label=_label(type_, found.value), type=type_, count=found.count)
                for found in values
            ]
            for type_, values in facets.by_type.items()
        }
    )


def _label(type_: str, value: str) -> str:
    return value.removeprefix(f"{type_}:")


ADDRESS = path("api/<plural:kind>", route(GET=list_view))
urlpatterns = [
    ADDRESS,
    path("api/spaces/semantic-search", route(GET=search_spaces)),
    path("api/models-tags-by-type", route(GET=tags_by_type), {"kind": Kind.MODEL}),
    path("api/datasets-tags-by-type", route(GET=tags_by_type), {"kind": Kind.DATASET}),
]
