"""The info object of every kind of repository (docs/wire/huggingface.md#account-and-repositories)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path
from msgspec import UNSET

from foundation.errors import Invalid
from foundation.hex_digits import row_id
from hub.api.hf import related
from hub.api.hf.answers import info as answers
from hub.api.hf.http import actor, boolean, repeated, repository, route
from hub.api.json import timestamp
from hub.api.structs import Order, Ordered, answer_with, fields_of
from hub.repos import policies
from hub.repos.models import Kind, Repository
from hub.revisions import indexing, reading, selectors
from hub.revisions.facts.card import words
from hub.revisions.models import RepositoryFacts

COMMON = (
    "author createdAt disabled lastModified likes private sha siblings tags trendingScore usedStorage "
    "resourceGroup xetEnabled cardData"
).split()
EXPANDABLE: dict[str, frozenset[str]] = {
    Kind.MODEL: frozenset(
        [
            *COMMON,
            *(
                "baseModels childrenModelCount config downloads downloadsAllTime evalResults gated gguf "
                "inference inferenceProviderMapping library_name mask_token model-index pipeline_tag "
                "safetensors spaces "
                "transformersInfo widgetData"
            ).split(),
        ]
    ),
    Kind.DATASET: frozenset(
        [
            *COMMON,
            *"citation description downloads downloadsAllTime gated mainSize paperswithcode_id".split(),
        ]
    ),
    Kind.SPACE: frozenset([*COMMON, *"datasets models region runtime sdk subdomain".split()]),
}
# Kinds that the Hugging Face hub does not have answer with what models have.
DEFAULT_FIELDS = (
    "author sha lastModified private gated disabled downloads likes tags cardData siblings createdAt "
    "usedStorage"
).split()
MODEL_FIELDS = (
    "library_name pipeline_tag mask_token config transformersInfo safetensors gguf model-index widgetData"
)
SPACE_FIELDS = "sdk runtime subdomain"

# Fields that list or quote files, which a gate hides. A client that finds no `siblings` asks for the tree and
# then gets the gate's refusal.
CONTENT_FIELDS = frozenset("siblings config mask_token transformersInfo gguf".split())
# Fields from the card. A gate does not hide them, but a disabled repository does.
CARD_FIELDS = frozenset(
    "cardData model-index widgetData models datasets citation paperswithcode_id tags".split()
)
RUNTIME = answers.Runtime(
    stage="NO_APP_FILE",
    hardware=answers.Hardware(current=None, requested=None),
    storage=None,
    gc_timeout=None,
)
# Member in JSON → field of the answer.
FIELD_OF = fields_of(answers.RepositoryInfo)
ALWAYS = ("_id", "id", "modelId")


class ExpandRefused(Invalid):
    code = "expand_refused"
    message = '"expand" must be one of {allowed}'


class Info:
    """One repository's info; each property is computed only if it is requested.

    `can_fetch`: whether the caller may fetch the files; otherwise fields that list or quote files are left
    out.
    """

    def __init__(
        self,
        found: Repository,
        facts: RepositoryFacts | None,
        *,
        can_fetch: bool,
        sha: str | None = None,
    ) -> None:
        self.repository, self.facts, self.can_fetch = found, facts, can_fetch
        self.sha = sha or found.head_sha

    def render(self, fields: Iterable[str]) -> answers.RepositoryInfo:
        """The members with these names; those without a value are left out."""
        name = self.repository.full_name
        row = answers.RepositoryInfo(row_id=row_id(self.repository.pk), id=name)
        if self.repository.kind == Kind.MODEL:
            row.model_id = name
        for field, value_of in _properties(tuple(fields), self._withheld()):
            value = value_of(self)
            if value is not None:
                setattr(row, field, value)
        return row

    def _withheld(self) -> frozenset[str]:
        if self.can_fetch:
            return frozenset()
        return CONTENT_FIELDS | CARD_FIELDS if self.repository.is_disabled else CONTENT_FIELDS

    def siblings(self, *, blobs: bool) -> list[answers.Sibling] | None:
        """All files of the revision; of the head from the index, else from git.

        None if the caller may not see them, or above SIBLINGS_MAX: then clients walk the tree, page by page.
        """
        if not self.can_fetch:
            return None
        if self.facts is None or self.facts.commit_sha != self.sha:
            return self._read_siblings(blobs=blobs)
        rows: Iterable[Any] | None = self.facts.siblings
        if rows is None:
            return None
        if not blobs:
            return [answers.Sibling(rfilename=row[0]) for row in rows]
        return [_with_blob(*row) for row in rows]

    def _read_siblings(self, *, blobs: bool) -> list[answers.Sibling] | None:
        listed = reading.list_files(self.repository, self.sha, files_max=indexing.SIBLINGS_MAX)
        if listed is None:
            return None
        if not blobs:
            return [answers.Sibling(rfilename=item.path) for item in listed]
        return [
            _with_blob(
                entry.path,
                entry.content_size,
                entry.oid,
                entry.pointer.oid if entry.pointer else None,
                entry.size,
            )
            for entry in reading.sized(self.repository, listed)
        ]


def _with_blob(
    name: str, size: int, blob: str, sha256: str | None, pointer_size: int | None
) -> answers.Sibling:
    row = answers.Sibling(rfilename=name, size=size, blob_id=blob)
    if sha256:
        row.lfs = answers.LfsSibling(sha256=sha256, size=size, pointer_size=pointer_size)
    return row


def order_of(fields: Iterable[str]) -> Order:
    """As a row is sent: what is made for a whole page stands at the end, wherever it was asked for."""
    return _order_of(tuple(fields))


@lru_cache(maxsize=256)
def _order_of(fields: tuple[str, ...]) -> Order:
    own = [name for name in fields if name in FIELD_OF and name not in related.MEMBERS]
    return Order(answers.RepositoryInfo, [*ALWAYS, *own, *related.MEMBERS])


def _fact(name: str) -> Callable[[Info], Any]:
    return lambda info: (getattr(info.facts, name) or None) if info.facts else None


def _card(name: str) -> Callable[[Info], Any]:
    return lambda info: (info.facts.card_data or {}).get(name) if info.facts else None


def _card_words(name: str) -> Callable[[Info], list[str] | None]:
    """A card's field that lists names; one string is a list of one."""
    return lambda info: words(_card(name)(info)) or None


PROPERTIES: dict[str, Callable[[Info], Any]] = {
    "author": lambda info: info.repository.full_name.partition("/")[0],
    "sha": lambda info: info.sha,
    "lastModified": lambda info: timestamp(info.repository.updated_at),
    "createdAt": lambda info: timestamp(info.repository.created_at),
    "private": lambda info: info.repository.is_private,
    "gated": lambda info: info.repository.gating or False,
    "disabled": lambda info: info.repository.is_disabled,
    "downloads": lambda info: info.repository.downloads_30d,
    "downloadsAllTime": lambda info: info.repository.downloads_total,
    "likes": lambda info: info.repository.likes,
    "trendingScore": lambda info: info.repository.trending_score,
    "usedStorage": lambda info: info.repository.size_bytes,
    "xetEnabled": lambda _: True,
    "description": lambda info: info.repository.description or None,
    "tags": lambda info: info.facts.tags if info.facts else [],
    "library_name": _fact("library_name"),
    "pipeline_tag": _fact("pipeline_tag"),
    "safetensors": _fact("safetensors"),
    "gguf": _fact("gguf"),
    "config": _fact("config"),
    "transformersInfo": _fact("transformers_info"),
    "cardData": _fact("card_data"),
    "model-index": _card("model-index"),
    "widgetData": _card("widget"),
    "mask_token": lambda info: (
        ((info.facts.config or {}).get("tokenizer_config") or {}).get("mask_token") if info.facts else None
    ),
    "sdk": _card("sdk"),
    "models": _card_words("models"),
    "datasets": _card_words("datasets"),
    "citation": _card("citation"),
    "paperswithcode_id": _card("paperswithcode_id"),
    "siblings": lambda info: info.siblings(blobs=False),
    "subdomain": lambda info: info.repository.full_name.replace("/", "-").replace(".", "-").lower(),
    # The hub runs no spaces; `stage` is what clients need to see that.
    "runtime": lambda _: RUNTIME,
    # No provider runs models here.
    "inferenceProviderMapping": lambda _: {},
}


@lru_cache(maxsize=256)
def _properties(names: tuple[str, ...], withheld: frozenset[str]) -> list[tuple[str, Callable[[Info], Any]]]:
    """The fields of an answer for these members, and what makes their values; the same for many rows."""
    return [(FIELD_OF[name], PROPERTIES[name]) for name in names if name in PROPERTIES.keys() - withheld]


def default_fields(kind: str) -> list[str]:
    extra = {Kind.MODEL: MODEL_FIELDS, Kind.SPACE: SPACE_FIELDS, Kind.DATASET: "description citation"}
    return DEFAULT_FIELDS + extra.get(Kind(kind), "").split()


FIELDS = {kind: default_fields(kind) for kind in Kind.values}


def expanded_fields(request: HttpRequest, kind: str) -> list[str] | None:
    """The properties that `expand` asks for, or None without one. Raises: ExpandRefused."""
    wanted = repeated(request, "expand", "expand[]")
    if not wanted:
        return None
    allowed = EXPANDABLE.get(kind, EXPANDABLE[Kind.MODEL])
    if not set(wanted) <= allowed:
        raise ExpandRefused(allowed=", ".join(sorted(allowed)))
    return wanted


def info(request: HttpRequest, kind: str, repo_id: str, revision: str | None = None) -> HttpResponse:
    found = repository(request, kind, repo_id, with_facts=True)
    sha = found.head_sha if revision is None else selectors.resolve(found, revision)
    facts = getattr(found, "facts", None)
    shown = Info(found, facts, can_fetch=policies.can_fetch(actor(request), found), sha=sha)
    fields = expanded_fields(request, kind)
    if fields is not None:
        row = shown.render(fields)
        related.add([row], fields, actor=actor(request), tags=[facts.tags if facts else []])
        return answer_with(Ordered(row, order_of(fields)))
    row = shown.render(FIELDS[kind])
    if boolean(request, "blobs") and row.siblings is not UNSET:
        row.siblings = shown.siblings(blobs=True) or []
    if boolean(request, "securityStatus"):
        row.security_status = answers.SecurityStatus(scans_done=False, files_with_issues=[])
    return answer_with(Ordered(row, order_of([*FIELDS[kind], "securityRepoStatus"])))


def runtime(request: HttpRequest, repo_id: str) -> HttpResponse:
    """Of a space: it does not run, and `stage` says so."""
    repository(request, Kind.SPACE, repo_id)
    return answer_with(RUNTIME)


ADDRESS_PATTERN = "api/<plural:kind>/<repo_id:repo_id>"
REVISION_PATTERN = f"{ADDRESS_PATTERN}/revision/<rest:revision>"
ADDRESS = path(ADDRESS_PATTERN, route(GET=info))
urlpatterns = [
    path("api/spaces/<repo_id:repo_id>/runtime", route(GET=runtime)),
    ADDRESS,
    path(REVISION_PATTERN, route(GET=info)),
]
