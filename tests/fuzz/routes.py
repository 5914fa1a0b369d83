"""Every address of the urlconf as a list of literal and variable parts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern, RoutePattern

VARIABLE = re.compile(r"<(?:(?P<converter>[^>:]+):)?(?P<name>[^>]+)>")


@dataclass(frozen=True, slots=True)
class Variable:
    """A part of an address that the caller chooses. `choices` are all there are, where they are few."""

    name: str
    converter: str
    choices: tuple[str, ...] = ()


Part = str | Variable


@dataclass(frozen=True, slots=True)
class Route:
    """One address: its parts, and the modules that hold its views."""

    parts: tuple[Part, ...]
    modules: tuple[str, ...]

    def __str__(self) -> str:
        return "/" + "".join(part if isinstance(part, str) else f"<{part.name}>" for part in self.parts)


def all_routes() -> list[Route]:
    return list(_below(get_resolver().url_patterns, ()))


Groups = list[list[Route]]


def by_modules() -> Groups:
    """Routes in groups that share their views' modules.

    The administration has hundreds of routes, and some wires several mounts; others would seldom be met.
    """
    groups: dict[tuple[str, ...], list[Route]] = {}
    for route in all_routes():
        groups.setdefault(route.modules, []).append(route)
    return list(groups.values())


def _below(patterns: Sequence[URLPattern | URLResolver], prefix: tuple[Part, ...]) -> Iterator[Route]:
    for pattern in patterns:
        parts = (*prefix, *_parts(pattern))
        if isinstance(pattern, URLResolver):
            yield from _below(pattern.url_patterns, parts)
        else:
            yield Route(parts, tuple(sorted(_modules(pattern.callback))))


def _modules(view: Any) -> set[str]:
    """The modules of the functions behind a view; `by_method` keeps them in its closure."""
    found = {getattr(view, "view_class", getattr(view, "cls", view)).__module__}
    for cell in getattr(view, "__closure__", None) or ():
        kept = cell.cell_contents
        for inner in kept.values() if isinstance(kept, dict) else [kept]:
            if callable(inner) and hasattr(inner, "__module__"):
                found |= {inner.__module__} if not hasattr(inner, "__closure__") else _modules(inner)
    return {name for name in found if name.split(".")[0] in {"hub", "compute_market", "bazaar"}}


def _parts(pattern: URLPattern | URLResolver) -> Iterator[Part]:
    found = pattern.pattern
    if isinstance(found, RegexPattern):
        # The few regular expressions: a fixed beginning, or everything that is left.
        yield "cas-1/" if "cas-" in str(found) else Variable("rest", "rest")
        return
    assert isinstance(found, RoutePattern)
    route = str(found)
    at = 0
    for match in VARIABLE.finditer(route):
        if literal := route[at : match.start()]:
            yield literal
        at = match.end()
        converter = found.converters[match["name"]]
        yield Variable(match["name"], match["converter"] or "str", _choices(converter.regex))
    if literal := route[at:]:
        yield literal


def _choices(regex: str) -> tuple[str, ...]:
    return tuple(regex.split("|")) if re.fullmatch(r"[a-z_-]+(\|[a-z_-]+)*", regex) else ()
