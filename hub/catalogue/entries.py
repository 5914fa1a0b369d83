"""The data files as values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Organization:
    name: str
    full_name: str
    website: str
    details: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """The true figures of the original. `parameters` is written as people say it, such as 72.3B."""

    parameters: str
    layers: int
    hidden: int
    heads: int
    key_value_heads: int
    feed_forward: int
    vocabulary: int
    context: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One repository of the catalogue. `remote` names the class of an original that ships its own code."""

    id: str
    en: str
    zh: str
    license: str
    kind: str = "model"
    license_name: str = ""
    languages: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    arxiv: str = ""
    family: str = ""
    sizes: Sizes | None = None
    remote: str = ""
    base: str = ""
    chat: bool = False
    tied: bool = False
    active: str = ""
    task: str = ""
    library: str = "transformers"
    extra: tuple[tuple[str, Any], ...] = ()
    rows: tuple[dict[str, Any], ...] = ()

    @property
    def name(self) -> str:
        return self.id.partition("/")[2]


# Fields of a dataset's or space's card that go into it as they are.
CARD_FIELDS = ("task_categories", "size_categories", "pretty_name", "sdk", "title", "emoji", "models")


def _read(name: str) -> list[dict[str, Any]]:
    text = resources.files("hub.catalogue").joinpath("data", f"{name}.yaml").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = yaml.load(text, Loader=yaml.CSafeLoader)
    return found


def _entry(row: dict[str, Any]) -> Entry:
    values = dict(row)
    sizes = values.pop("size", None)
    extra = tuple((name, values.pop(name)) for name in CARD_FIELDS if name in values)
    for name in ("languages", "tags", "rows"):
        values[name] = tuple(values.get(name, ()))
    return Entry(**values, sizes=Sizes(*sizes) if sizes else None, extra=extra)


@cache
def organizations() -> tuple[Organization, ...]:
    return tuple(Organization(**row) for row in _read("organizations"))


@cache
def entries() -> tuple[Entry, ...]:
    """Datasets and spaces first: what comes last is at the top of a new hub's lists."""
    return tuple(_entry(row) for row in [*_read("others"), *_read("models")])
