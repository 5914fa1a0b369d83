"""Rows of the matrix, the routes that they stand for, and how one is asked."""

from __future__ import annotations

import copy
import dis
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any
from urllib.parse import quote, urlencode

from django.db import transaction
from django.http import HttpResponseBase
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import get_converters

from hub.repos.models import Kind
from tests.security import matrix
from tests.security.world import FILE, World

MOUNTS = re.compile(r"^(?:hf|csg|ms)/")
KIND_PREFIX = re.compile(
    r"^(?:<page_plural:kind>|datasets|spaces|kernels|models|codes|mcpservers|mcps|skills)/"
    r"(?=<repo_id:repo_id>|<name:namespace>/<name:name>)"
)
XET_NUMBER = re.compile(r"^xet/\^cas-\[0-9\]\{1,9\}/")
ANY_BELOW = ("admin/",)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Row:
    """One line of the matrix: what is asked, and the class of what it gives or does."""

    method: str
    pattern: str
    variant: str
    group: str

    @property
    def key(self) -> str:
        return f"{self.method} {self.pattern}{self.variant}"

    @property
    def is_page(self) -> bool:
        return self.pattern.startswith(
            ("<name:", "collections", "settings/", "organizations", "notifications/", "market")
        ) or (self.pattern in PAGES)


PAGES = {"(root)", "search", "new", "models", "datasets", "spaces", "notifications", "notifications/count"}
PAGES |= {"join", "login", "logout", "preferences", "status"}


def rows_of(table: str) -> list[Row]:
    found = []
    for line in table.splitlines():
        text = line.split(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        method, address, group = text.split()
        parts = re.match(r"([^?#]*)([?#]?)(.*)", address)
        assert parts is not None
        pattern, mark, rest = parts.groups()
        found.append(Row(method, pattern, mark + rest, group))
    return found


def expected_of(table: str, callers: tuple[str, ...] = matrix.CALLERS) -> dict[str, dict[str, str]]:
    """Line → caller → verdict."""
    head, *lines = (line.split() for line in table.strip().splitlines())
    assert tuple(head) == callers
    return {line[0]: dict(zip(head, line[1:], strict=True)) for line in lines}


EXPECTED = {group: expected_of(table) for group, table in matrix.EXPECTED.items()}
OTHER = expected_of(matrix.OTHER)
REPOSITORY_ROWS = rows_of(matrix.REPOSITORY_ROUTES)
SPACE_ROWS = [row for row in REPOSITORY_ROWS if row.pattern.startswith("api/spaces/")]
OTHER_ROWS = rows_of(matrix.OTHER_ROUTES)
MARKET_ROWS = rows_of(matrix.MARKET_ROUTES)
WITHOUT_ROWS = {line.strip() for line in (matrix.STUBS + matrix.ELSEWHERE).split("\n") if line.strip()}


# ---- the urlconf ------------------------------------------------------------------------------------


def routes(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for found in patterns:
        if isinstance(found, URLResolver):
            yield from routes(found.url_patterns, prefix + str(found.pattern))
        else:
            yield prefix + str(found.pattern), found


def canonical(pattern: str) -> str:
    """The pattern of a route without what only says by which door it is reached."""
    if pattern == matrix.PORT_PAGE:
        return "leases/<row_id:lease_id>/ports/<slug:port>/"
    pattern = XET_NUMBER.sub("xet/", MOUNTS.sub("", pattern))
    return KIND_PREFIX.sub("", pattern) or "(root)"


# The first segment of an address that stands for a kind.
PREFIXES = {
    "datasets": Kind.DATASET,
    "spaces": Kind.SPACE,
    "kernels": Kind.KERNEL,
    "codes": Kind.CODE,
    "mcps": Kind.MCP,
    "mcpservers": Kind.MCP,
    "skills": Kind.SKILL,
}
ALL_ROUTES = [pattern for pattern, _ in routes(get_resolver().url_patterns)]


DOORS_OF: dict[str, list[str]] = defaultdict(list)
for _pattern in ALL_ROUTES:
    DOORS_OF[canonical(_pattern)].append(_pattern)


def doors_of(row: Row) -> list[tuple[str, str]]:
    """Every route and kind of repository by which a row can be asked, but a model at the root."""
    found = []
    for pattern in DOORS_OF[row.pattern]:
        first = MOUNTS.sub("", pattern).removeprefix("api/").partition("/")[0]
        named = re.search(r"<(\w+):kind>", pattern)
        if named is None:
            kinds = [PREFIXES.get(first, Kind.MODEL)]
        elif named[1] == "str":
            kinds = list(Kind)
        else:
            converter = get_converters()[named[1]]
            kinds = [converter.to_python(word) for word in converter.regex.split("|")]
        found += [(pattern, str(kind.value)) for kind in kinds]
    return [door for door in found if door != (row.pattern, Kind.MODEL)]


# States of which a stranger may see little.
HIDDEN = ("private", "gated")
Turn = tuple[str, str, str, Sequence[str]]


def turns_of(at: int, row: Row) -> list[Turn]:
    """(route, kind, caller, states) of the questions for a row by its doors; `at` is the row's number.

    Every door has at least one caller who asks in every state, and every caller has at least one door.
    Callers rotate from door to door and from row to row. If the rotation gives a door only to admitted
    callers, a stranger asks there, too, for the hidden states.
    """
    doors = doors_of(row)
    callers = matrix.CALLERS
    count = max(len(doors), len(callers)) if doors else 0
    turns: list[Turn] = []
    for number in range(count):
        door, kind = doors[(at + number) % len(doors)]
        caller = callers[(number if number < len(callers) else at + number) % len(callers)]
        turns.append((door, kind, caller, matrix.STATES))
        if number >= len(callers) and EXPECTED["content"]["gated"][caller] == "yes":
            turns.append((door, kind, "stranger", HIDDEN))
    return turns


def methods_of(view: Any, depth: int = 0) -> set[str] | None:
    """The methods that a route serves, as far as its view says so.

    A page is a plain function: it serves what `require_POST` names, else POST too if it reads a form.
    """
    if hasattr(view, "cls"):
        return {name for name in METHODS if hasattr(view.cls, name.lower())}
    cells = {}
    if getattr(view, "__closure__", None):
        cells = dict(zip(view.__code__.co_freevars, (c.cell_contents for c in view.__closure__), strict=True))
    if isinstance(cells.get("views"), dict):
        return set(cells["views"]) - {"HEAD"}
    if "request_method_list" in cells:
        return set(cells["request_method_list"])
    inner = [*cells.values(), getattr(view, "__wrapped__", None)]
    found = (methods_of(each, depth + 1) for each in inner if callable(each) and depth < 4)
    served = next((methods for methods in found if methods), None)
    return served or ({"GET", "POST"} if isinstance(view, FunctionType) and reads_form(view, set()) else None)


def reads_form(function: FunctionType, seen: set[FunctionType]) -> bool:
    """True if a function, or one of its module that it calls, reads `request.POST`."""
    seen.add(function)
    codes, steps = [function.__code__], []
    while codes:
        code = codes.pop()
        steps += list(dis.get_instructions(code))
        codes += [each for each in code.co_consts if isinstance(each, CodeType)]
    called = [function.__globals__.get(step.argval) for step in steps if step.opname == "LOAD_GLOBAL"]
    return any(step.argval == "POST" and step.opname == "LOAD_ATTR" for step in steps) or any(
        reads_form(each, seen)
        for each in called
        if isinstance(each, FunctionType) and each.__module__ == function.__module__ and each not in seen
    )


# ---- asking -----------------------------------------------------------------------------------------


def outermost() -> transaction.Atomic:
    """A transaction that use cases do not notice: they may open a durable one inside, as in a TestCase."""
    made = transaction.atomic()
    made._from_testcase = True  # type: ignore[attr-defined]
    return made


@dataclass
class Answer:
    """An answer as others are compared with it: names that were asked for are blanked."""

    status: int
    headers: dict[str, str]
    body: str
    location: str = field(default="", compare=False)
    raw: str = field(default="", compare=False, repr=False)


VARIES = {"X-Request-Id", "Date", "Content-Length", "Server-Timing"}
TOKENS = re.compile(r'(name="csrfmiddlewaretoken" value=|nonce=|nonce-|"?X-CSRFToken"?: ?)["\']?[\w+/=-]+')


def read(response: HttpResponseBase, names: list[str]) -> Answer:
    if response.streaming:
        raw = b"".join(response.streaming_content).decode(errors="replace")  # type: ignore[attr-defined]
    else:
        raw = response.content.decode(errors="replace")  # type: ignore[attr-defined]
    headers = {name: blank(value, names) for name, value in response.headers.items() if name not in VARIES}
    headers |= {f"cookie {name}": "" for name in response.cookies}
    body = blank(TOKENS.sub("token", raw), names)
    return Answer(response.status_code, headers, body, response.headers.get("Location", ""), raw)


def blank(text: str, names: list[str]) -> str:
    for name in names:
        text = text.replace(name, "{id}").replace(name.replace("/", "%2F"), "{id}")
    return text


def ask(world: World, row: Row, caller: str, values: dict[str, str], door: str = "") -> Answer:
    """One request, undone afterwards in the database and in git. `door`: the route, if not the row's own."""
    pattern = (door or row.pattern).replace("(root)", "").replace("^", "").rstrip("*")
    if row.variant == "#named" and "<name:owner>" in row.pattern:
        values = values | {"owner": world.name(caller), "slug": world.collections[world.name(caller)]}
    path = "/" + re.sub(r"<(?:(\w+):)?(\w+)>", lambda m: value_of(m[1], m[2], values), pattern)
    query = row.variant[1:] if row.variant.startswith("?") else ""
    body = matrix.BODIES.get(row.key, {})
    client, headers = world.session(caller) if row.is_page else (world.client, world.headers(caller))
    kind = "application/json"
    if isinstance(body, bytes):
        data: Any = body
        kind = "application/octet-stream"
    elif row.is_page:
        data, kind = urlencode(body), "application/x-www-form-urlencoded"
        data = filled(data.replace("%7B", "{").replace("%7D", "}"), world, caller, values)
    else:
        data = filled(json.dumps(body), world, caller, values)
    if row.method == "GET":
        data, kind = b"", ""
    jar = copy.deepcopy(client.cookies)
    with outermost():
        response = client.generic(
            row.method, path, data, kind, query_params=None, headers=headers, QUERY_STRING=query
        )
        names = [path, quote(path, safe=""), path[1:], *values["blank"].split()]
        names += [values["repo_number"]] if "repo_number" in values else []
        answer = read(response, names)
        transaction.set_rollback(True)
    client.cookies = jar
    return answer


def filled(text: str, world: World, caller: str, values: dict[str, str]) -> str:
    """A body with the names that belong to the caller and to what is asked for."""
    names = {
        "{own}": world.own(caller),
        "{self}": world.name(caller),
        "{collection}": f"{world.name(caller)}/{world.collections[world.name(caller)]}",
        "{repo}": values["repo_id"],
        "{kind}": values.get("kind", Kind.MODEL.value),
    }
    for mark, name in names.items():
        text = text.replace(mark, name)
    return text


def value_of(converter: str, name: str, values: dict[str, str]) -> str:
    if name == "kind":
        kind = values.get("kind", Kind.MODEL.value)
        if converter == "str":
            return kind
        served = get_converters()[converter]
        words = getattr(served, "words", {kind: kind})
        return served.to_url(kind if kind in words else next(iter(words)))  # some serve other kinds only
    return values[name]


def verdict(answer: Answer, absent: Answer | None, address: str, *, is_read: bool) -> set[str]:
    """The meanings of an answer: `yes` or `no`; also `gone` if it equals the answer for an absent name."""
    if answer.status in {301, 307, 308}:
        # Callers that may know of it are redirected to its new address, which asks for rights.
        return {"yes", "no"}
    leads_away = answer.status == 302 and (
        answer.location.startswith(("/login", "/admin/login")) or (answer.location == address and is_read)
    )
    refused = answer.status in {401, 403} or leads_away
    found = {"any", "no" if refused else "yes"}
    if refused or answer.status >= 400:
        found.add("barred")
    if absent is not None and answer == absent:
        found = {"gone", "any", *(found & {"no", "barred"})}
    return found


def difference(answer: Answer, absent: Answer | None) -> str:
    """The first difference between an answer and the answer for an absent name."""
    if absent is None or answer == absent:
        return ""
    if (answer.status, answer.headers) != (absent.status, absent.headers):
        return f"; not {absent.status} {dict(absent.headers.items() ^ answer.headers.items())}"
    at = next((i for i, (a, b) in enumerate(zip(answer.body, absent.body, strict=False)) if a != b), 0)
    return f"; {answer.body[max(0, at - 30) : at + 60]!r} is not {absent.body[max(0, at - 30) : at + 60]!r}"


def values_of(world: World, state: str) -> dict[str, str]:
    place = world.places[state]
    return world.common | {
        "repo_id": place.asked,
        "namespace": place.asked.partition("/")[0],
        "name": place.asked.partition("/")[2],
        "number": "1",
        "key": place.comment_key,
        "request_id": str(place.request_id),
        "blank": f"{place.comment_key} {place.asked} {place.asked.partition('/')[2]}",
    }


def for_row(row: Row, values: dict[str, str], place: Any) -> dict[str, str]:
    """Two routes use a name for something of their own."""
    changed = dict(values)
    if row.pattern.startswith("api/") and "<rest:name>" in row.pattern:
        changed["name"] = "main" if row.method == "POST" and "/tag/" in row.pattern else "side"
    changed["where"] = f"main/{'folder' if '/tree/' in row.pattern else FILE}"
    if row.pattern.endswith(":number>/repo/tree"):
        changed["number"] = str(place.pk)
        changed["repo_number"] = f": {place.pk}"
    return changed
