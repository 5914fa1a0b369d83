"""Home, the lists of repositories, and search as you type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from hub.accounts import selectors as accounts
from hub.accounts.models import Namespace
from hub.repos import kinds
from hub.repos.models import Kind, Repository
from hub.search import selectors
from hub.search.queries import Facets, ListQuery, Sort
from hub.web.forms import PAGE_KINDS
from hub.web.requests import actor_of, page

PAGE_SIZE = 24
SHEET_ITEMS, SEARCH_ITEMS = 5, 12
CHIPS_SHOWN = 3
NARROWING_KEPT_SECONDS = 300
FACET_VALUES_SHOWN = 12
SORTS: dict[str, str | Promise] = {
    Sort.TRENDING: _("Trending"),
    Sort.DOWNLOADS: _("Most downloads"),
    Sort.LIKES: _("Most likes"),
    Sort.UPDATED: _("Recently updated"),
    Sort.CREATED: _("Newest"),
}
# Class → its label, the least and the most parameters.
SIZES: dict[str, tuple[str, int | None, int | None]] = {
    "1b": ("< 1B", None, 999_999_999),
    "8b": ("1B – 8B", 1_000_000_000, 8_999_999_999),
    "35b": ("9B – 35B", 9_000_000_000, 35_999_999_999),
    "100b": ("36B – 100B", 36_000_000_000, 100_999_999_999),
    "big": ("> 100B", 101_000_000_000, None),
}
# Tag type → heading, what is cut from a value to show it, open at first.
FACETS: dict[str, dict[str, tuple[str | Promise, str, bool]]] = {
    Kind.MODEL: {
        "pipeline_tag": (_("Task"), "", True),
        "library": (_("Library"), "", True),
        "language": (_("Language"), "", True),
        "license": (_("License"), "license:", True),
        "dataset": (_("Trained on"), "dataset:", False),
        "other": (_("Other tags"), "", False),
    },
    Kind.DATASET: {
        "task_categories": (_("Task"), "task_categories:", True),
        "language": (_("Language"), "language:", True),
        "size_categories": (_("Rows"), "size_categories:", True),
        "format": (_("Format"), "format:", True),
        "license": (_("License"), "license:", True),
        "other": (_("Other tags"), "", False),
    },
    Kind.SPACE: {
        "sdk": (_("SDK"), "", True),
        "license": (_("License"), "license:", True),
        "other": (_("Tags"), "", True),
    },
}


# So many tags can be chosen together.
TAGS_MAX = 20


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to narrow by: the address of the list with it switched."""

    label: str | Promise
    address: str
    is_on: bool
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Facet:
    heading: str | Promise
    choices: list[Choice]
    is_open: bool


def home(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    groups = [
        (
            kind,
            kinds.PLURAL_OF[kind],
            selectors.list_repositories(actor=actor, kind=kind, query=ListQuery(limit=8)).items,
        )
        for kind in PAGE_KINDS
    ]
    newest = selectors.list_repositories(
        actor=actor, kind=Kind.MODEL, query=ListQuery(limit=6, sort=Sort.CREATED)
    ).items
    example = next((found.full_name for found in groups[0][2] if _shows_well(found)), "")
    context = {"groups": groups, "newest": newest, "example": example, "chips": chips_of(request)}
    return page(request, "hub/home.html", context)


def chips_of(request: HttpRequest) -> list[tuple[str, str]]:
    """(label, address) of lists of models that are not empty: frequent tasks, Chinese, GGUF, a size."""
    tags: list[str] | None = cache.get("pages:chips")
    if tags is None:
        facets = selectors.find_facets(actor=actor_of(request), kind=Kind.MODEL, query=ListQuery()).by_type
        present = {value.value for values in facets.values() for value in values}
        tags = [value.value for value in facets.get("pipeline_tag", [])[:CHIPS_SHOWN]]
        tags += [tag for tag in ("zh", "gguf") if tag in present]
        cache.set("pages:chips", tags, NARROWING_KEPT_SECONDS)
    labels = {"zh": gettext("Chinese")}
    chips = [(labels.get(tag, tag), f"/models?{urlencode({'tag': tag})}") for tag in tags]
    if size_counts().get("8b"):
        chips.append((str(SIZES["8b"][0]), "/models?size=8b"))
    return chips


def size_counts() -> dict[str, int]:
    """Class of sizes → how many public models are in it; remembered for some minutes."""
    bounds = {key: (low, high) for key, (_label, low, high) in SIZES.items()}
    counts: dict[str, int] | None = cache.get("pages:sizes")
    if counts is None:
        counts = selectors.count_by_parameters(bounds)
        cache.set("pages:sizes", counts, NARROWING_KEPT_SECONDS)
    return counts


def _shows_well(repository: Repository) -> bool:
    """True if the first command that a visitor copies may use this model: open to all, with weights in it."""
    facts = getattr(repository, "facts", None)
    return not (repository.is_private or repository.is_gated) and bool(facts and facts.parameters_total)


def known_params(given: QueryDict) -> QueryDict:
    """The parameters of a list's address. Every link of the page repeats them, so defaults are left out."""
    params = QueryDict(mutable=True)
    for name in ("search", "author", "sort", "size", "cursor"):
        if name in given:
            params[name] = given.get(name, "")
    params.setlist("tag", list(dict.fromkeys(given.getlist("tag")))[:TAGS_MAX])
    return params


def query_of(params: QueryDict) -> ListQuery:
    """The query in an address; invalid parameters are ignored, not refused."""
    text = params.get("search", "").strip()[:200]
    sort = params.get("sort", "")
    size = SIZES.get(params.get("size", ""), ("", None, None))
    return ListQuery(
        text=text,
        author=params.get("author", "").strip(),
        tags=tuple(params.getlist("tag")),
        parameters_min=size[1],
        parameters_max=size[2],
        sort=Sort(sort) if sort in SORTS else (Sort.RELEVANCE if text else Sort.TRENDING),
        limit=PAGE_SIZE,
        cursor=params.get("cursor", ""),
    )


def switched(params: QueryDict, key: str, value: str, *, is_single: bool = False) -> str:
    """The query string with one value put in or taken out; the page starts anew."""
    changed = params.copy()
    changed.pop("cursor", None)
    values = changed.getlist(key)
    if value in values:
        changed.setlist(key, [other for other in values if other != value])
    else:
        changed.setlist(key, [value] if is_single else [*values, value])
    return f"?{changed.urlencode()}"


def facets_of(kind: str, found: Facets, params: QueryDict) -> list[Facet]:
    chosen = params.getlist("tag")
    shown = []
    for type_, (heading, prefix, is_open) in FACETS[kind].items():
        values = found.by_type.get(type_, [])
        kept = values[:FACET_VALUES_SHOWN] + [v for v in values[FACET_VALUES_SHOWN:] if v.value in chosen]
        choices = [
            Choice(v.value.removeprefix(prefix), switched(params, "tag", v.value), v.value in chosen, v.count)
            for v in kept
        ]
        if choices:
            shown.append(Facet(heading, choices, is_open or any(choice.is_on for choice in choices)))
    return shown


def browse(request: HttpRequest, kind: str) -> HttpResponse:
    actor, params = actor_of(request), known_params(request.GET)
    query = query_of(params)
    found = selectors.list_repositories(actor=actor, kind=kind, query=query)
    facets = selectors.find_facets(actor=actor, kind=kind, query=query)
    counts = size_counts() if kind == Kind.MODEL else {}
    following = params.copy()
    following["cursor"] = found.next_cursor or ""
    context: dict[str, Any] = {
        "kind": kind,
        "plural": kinds.PLURAL_OF[kind],
        "query": query,
        "repositories": found.items
        if query.sort != Sort.RELEVANCE
        else literal_first(found.items, query.text),
        "next": f"?{following.urlencode()}" if found.next_cursor else "",
        "total": facets.total,
        "is_exact": facets.is_exact,
        "is_estimate": facets.is_estimate,
        "facets": facets_of(kind, facets, params),
        "sizes": [
            Choice(
                label, switched(params, "size", key, is_single=True), params.get("size") == key, counts[key]
            )
            for key, (label, _low, _high) in SIZES.items()
            if counts[key] or params.get("size") == key
        ]
        if kind == Kind.MODEL
        else [],
        "chosen": [Choice(tag, switched(params, "tag", tag), True) for tag in params.getlist("tag")],
        "sorts": SORTS,
        "sort": query.sort.value,
        "is_first": not query.cursor,
    }
    return page(request, "hub/browse.html", context, fragment="results")


def search(request: HttpRequest) -> HttpResponse:
    """The best of each kind, and people: the sheet below the search field, or a page of its own."""
    text = request.GET.get("search", "").strip()[:200]
    is_sheet = bool(getattr(request, "htmx", False))
    shown = SHEET_ITEMS if is_sheet else SEARCH_ITEMS
    groups: list[tuple[str, str, list[Repository]]] = []
    people: list[Namespace] = []
    if text:
        query = ListQuery(text=text, sort=Sort.RELEVANCE, limit=PAGE_SIZE)
        for kind in PAGE_KINDS:
            items = selectors.list_repositories(actor=actor_of(request), kind=kind, query=query).items
            if items:
                groups.append((kind, kinds.PLURAL_OF[kind], literal_first(items, text)[:shown]))
        people = accounts.find_namespaces(text, limit=shown)
    template = "hub/found.html" if is_sheet else "hub/search.html"
    response = page(request, template, {"groups": groups, "people": people, "text": text})
    response.headers["Vary"] = ", ".join(filter(None, [response.headers.get("Vary"), "HX-Request"]))
    return response


def literal_first(items: list[Repository], text: str) -> list[Repository]:
    """Names that are the text first, then those that begin with it or hold it, then those of the same words.

    The index splits a text like “qwen2.5” into words, so names that hold the words apart match as well.
    """
    wanted = text.lower()

    def place(repository: Repository) -> int:
        names = (repository.name.lower(), repository.full_name.lower())
        if wanted in names:
            return 0
        return 1 if names[0].startswith(wanted) else 2 if wanted in names[1] else 3

    return sorted(items, key=place)
