"""A card's front matter as facts that people read."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from hub.revisions.facts import front_matter
from hub.revisions.facts.card import words

# Field → what people call it, and the tag prefix that finds others like it ("" for none to link).
FIELDS: dict[str, tuple[str | Promise, str]] = {
    "license": (_("License"), "license:"),
    "language": (_("Language"), ""),
    "pipeline_tag": (_("Task"), ""),
    "task_categories": (_("Tasks"), "task_categories:"),
    "size_categories": (pgettext_lazy("rows of a dataset", "Size"), "size_categories:"),
    "library_name": (_("Library"), ""),
    "datasets": (_("Datasets"), "dataset:"),
    "metrics": (_("Metrics"), ""),
    "sdk": (_("SDK"), ""),
    "tags": (_("Tags"), ""),
}


class FactRow(NamedTuple):
    """A label and its values, each with the tag that lists others like it."""

    label: str | Promise
    values: list[tuple[str, str]]


class Share(NamedTuple):
    """One dtype's share of all parameters; `start` and `width` in thousandths."""

    dtype: str
    parameters: int
    start: int
    width: int


def body(text: str) -> str:
    return front_matter.split(text)[1]


def rows(card: dict[str, Any] | None) -> list[FactRow]:
    found = []
    for field, (label, prefix) in FIELDS.items():
        values = [
            (value, f"{prefix}{value.lower() if field == 'license' else value}")
            for value in words((card or {}).get(field))
        ]
        if values:
            found.append(FactRow(label, values[:24]))
    return found


def shares(safetensors: dict[str, Any] | None) -> list[Share]:
    """The dtypes of a model's weights, the largest first."""
    counts = (safetensors or {}).get("parameters") or {}
    total = sum(counts.values())
    if not total:
        return []
    found, start = [], 0
    for dtype, number in sorted(counts.items(), key=lambda pair: -pair[1]):
        width = max(4, round(1000 * number / total))
        found.append(Share(dtype, number, start, width))
        start += width
    return found
