"""The query of a list, as one value for all doors and pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from hub.repos.models import Repository

LIMIT_MAX = 1_000
FILTERS_MAX = 24


class Sort(StrEnum):
    """The sort order, highest first. `RELEVANCE` needs a text."""

    TRENDING = "trending"
    DOWNLOADS = "downloads"
    LIKES = "likes"
    UPDATED = "updated"
    CREATED = "created"
    RELEVANCE = "relevance"

    @property
    def field(self) -> str:
        return SORT_FIELDS[self]

    @property
    def is_time(self) -> bool:
        return self in {Sort.UPDATED, Sort.CREATED}


SORT_FIELDS = {
    Sort.TRENDING: "trending_score",
    Sort.DOWNLOADS: "downloads_30d",
    Sort.LIKES: "likes",
    Sort.UPDATED: "updated_at",
    Sort.CREATED: "created_at",
    # Within a rank the most fetched come first.
    Sort.RELEVANCE: "downloads_30d",
}


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Filters are all met (AND). Empty means unfiltered.

    `search` are pieces of ids; `text` is what a person typed and is looked for in names, tags and cards.
    `wide` loads the facts' large columns (files, card, config) too.
    """

    search: tuple[str, ...] = ()
    text: str = ""
    author: str = ""
    tags: tuple[str, ...] = ()
    task: str = ""
    is_gated: bool | None = None
    is_private: bool | None = None
    parameters_min: int | None = None
    parameters_max: int | None = None
    sort: Sort = Sort.TRENDING
    limit: int = 30
    cursor: str = ""
    wide: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Page:
    """Repositories with `namespace` and `facts` loaded, and where the next page begins (or None)."""

    items: list[Repository]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One value that a list can be narrowed by: the tag as the wire writes it, and how many have it."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Facets:
    """By tag type, the most frequent first; `total` is how many repositories there are.

    Not `is_exact`: both are estimates from a sample (`is_estimate`), or speak of the whole kind and not of
    the narrowed list.
    """

    by_type: dict[str, list[FacetValue]] = field(default_factory=dict)
    total: int = 0
    is_exact: bool = True
    is_estimate: bool = False
