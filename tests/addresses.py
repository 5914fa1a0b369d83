"""A sample address of every route of the urlconf, and which of them are for programs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver

SAMPLES = {
    "repo_id": "ns/name",
    "plural": "datasets",
    "page_plural": "datasets",
    "ms_type": "models",
    "csg_type": "models",
    "int": "1",
    "number": "1",
    "row_id": "1",
    "oid": "a" * 64,
    "revision_path": "main/resolve/main/f",
    "rest": "resolve/main/f",
}
VARIABLE = re.compile(r"<(?:(\w+):)?\w+>")


def routes(patterns: list[Any], before: str = "/") -> Iterator[tuple[str, str]]:
    """(a sample address, the module of its view) of every route without a regular expression."""
    for pattern in patterns:
        text = str(pattern.pattern)
        if re.search(r"[\[\\^$(]", text):
            continue
        address = before + VARIABLE.sub(lambda found: SAMPLES.get(found[1] or "str", "ns"), text)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, address)
        elif isinstance(pattern, URLPattern):
            yield address, module_of(pattern)


def module_of(pattern: URLPattern) -> str:
    """The module of the view. `by_method` wraps views of a door; then the render function names the door."""
    view = getattr(pattern.callback, "view_class", pattern.callback)
    module = str(getattr(view, "__module__", ""))
    return "hub.api" if module == "hub.api.dispatch" else module


def is_for_programs(address: str, module: str) -> bool:
    return module.startswith(("hub.api", "compute_market.api")) or address == "/api/schema"
