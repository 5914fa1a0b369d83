"""Every route of the hub, in every state of a repository, by every kind of caller, against one matrix.

The data is in `matrix.py`. Private is proved to look exactly like absent: the two answers are compared.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import transaction
from django.http import HttpResponseBase
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import DjangoDbBlocker

from tests.security import matrix
from tests.security.world import CANARIES, FILE, ORDER_CANARY, World, build

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
        return self.pattern.startswith(("<name:", "collections", "settings/", "organizations", "market")) or (
            self.pattern in PAGES
        )


PAGES = {"(root)", "search", "new", "models", "datasets", "spaces", "notifications", "notifications/count"}
PAGES |= {"join", "login", "logout", "preferences", "status"}


def rows_of(table: str) -> list[Row]:
    found = []
    for line in table.splitlines():
        text = line.split(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        method, address, group = text.split()
        pattern, mark, rest = re.match(r"([^?#]*)([?#]?)(.*)", address).groups()
        found.append(Row(method, pattern, mark + rest, group))
    return found


def expected_of(table: str) -> dict[str, dict[str, str]]:
    """Line → caller → verdict."""
    head, *lines = (line.split() for line in table.strip().splitlines())
    assert tuple(head) == matrix.CALLERS
    return {line[0]: dict(zip(head, line[1:], strict=True)) for line in lines}


EXPECTED = {group: expected_of(table) for group, table in matrix.EXPECTED.items()}
OTHER = expected_of(matrix.OTHER)
REPOSITORY_ROWS = rows_of(matrix.REPOSITORY_ROUTES)
SPACE_ROWS = [row for row in REPOSITORY_ROWS if row.pattern.startswith("api/spaces/")]
OTHER_ROWS = rows_of(matrix.OTHER_ROUTES) + rows_of(matrix.MARKET_ROUTES)
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
    pattern = XET_NUMBER.sub("xet/", MOUNTS.sub("", pattern))
    return KIND_PREFIX.sub("", pattern) or "(root)"


ALL_ROUTES = [pattern for pattern, _ in routes(get_resolver().url_patterns)]


def methods_of(view: Any, depth: int = 0) -> set[str] | None:
    """The methods that a route serves, where its view says so; None for a page's plain function."""
    if hasattr(view, "cls"):
        return {name for name in METHODS if hasattr(view.cls, name.lower())}
    cells = {}
    if getattr(view, "__closure__", None):
        cells = dict(zip(view.__code__.co_freevars, (c.cell_contents for c in view.__closure__), strict=True))
    if isinstance(cells.get("views"), dict):
        return set(cells["views"]) - {"HEAD"}
    inner = [*cells.values(), getattr(view, "__wrapped__", None)]
    found = (methods_of(each, depth + 1) for each in inner if callable(each) and depth < 4)
    return next((methods for methods in found if methods), None)


class TestTheUrlconf:
    def test_has_a_row_for_every_route(self) -> None:
        known = {row.pattern for row in REPOSITORY_ROWS + OTHER_ROWS} | WITHOUT_ROWS
        missing = sorted(
            {
                name
                for pattern in ALL_ROUTES
                if (name := canonical(pattern)) not in known
                and not name.startswith(ANY_BELOW)
                and "<name:repo_id>" not in name  # an id without an owner: nothing has such a name
            }
        )
        assert not missing, (
            "These routes have no row in tests/security/matrix.py. Put each into REPOSITORY_ROUTES or"
            f" OTHER_ROUTES as “METHOD pattern class”; the file's head says how: {missing}"
        )

    def test_has_a_row_for_every_method_of_a_route(self) -> None:
        known: dict[str, set[str]] = {}
        for row in REPOSITORY_ROWS + OTHER_ROWS:
            known.setdefault(row.pattern, set()).add(row.method)
        missing = sorted(
            f"{method} {name}"
            for pattern, found in routes(get_resolver().url_patterns)
            if (name := canonical(pattern)) in known
            for method in methods_of(found.callback) or ()
            if method not in known[name]
        )
        assert not missing, f"These methods have no row in tests/security/matrix.py: {missing}"

    def test_serves_every_row(self) -> None:
        served = {canonical(pattern) for pattern in ALL_ROUTES}
        stale = [
            row.key
            for row in REPOSITORY_ROWS + OTHER_ROWS
            if row.pattern not in served and not row.pattern.endswith("*")
        ]
        assert not stale, f"These rows of tests/security/matrix.py name no route any more: {stale}"


# ---- asking -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """One set of users and repositories for the whole module, in a transaction that is undone."""
    with django_db_blocker.unblock(), outermost():
        logging.disable(logging.INFO)  # ten thousand lines that nobody reads
        yield build()
        logging.disable(logging.NOTSET)
        transaction.set_rollback(True)


def outermost() -> transaction.Atomic:
    """A transaction inside which use cases may open theirs as if it were not there, as in a TestCase."""
    made = transaction.atomic()
    made._from_testcase = True  # type: ignore[attr-defined]
    return made


@dataclass
class Answer:
    """An answer as far as it can be told from others: names that were asked for are blanked."""

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


def ask(world: World, row: Row, caller: str, values: dict[str, str]) -> Answer:
    """One request, undone afterwards in the database and in git."""
    pattern = row.pattern.replace("(root)", "").replace("^", "").rstrip("*")
    path = "/" + re.sub(r"<(?:(\w+):)?(\w+)>", lambda m: value_of(m[1], m[2], values), pattern)
    query = row.variant[1:] if row.variant.startswith("?") else ""
    body = matrix.BODIES.get(row.key, {})
    client, headers = world.session(caller) if row.is_page else (world.client, world.headers(caller))
    kind = "application/json"
    if isinstance(body, bytes):
        data: Any = body
        kind = "application/octet-stream"
    elif row.is_page:
        data, kind = "&".join(f"{k}={v}" for k, v in body.items()), "application/x-www-form-urlencoded"  # type: ignore[attr-defined]
    else:
        data = json.dumps(body).replace("{own}", world.own(caller)).replace("{self}", world.name(caller))
    if row.method == "GET":
        data, kind = b"", ""
    with outermost():
        response = client.generic(
            row.method, path, data, kind, query_params=None, headers=headers, QUERY_STRING=query
        )
        names = [path, quote(path, safe=""), path[1:], *values["blank"].split()]
        names += [values["repo_number"]] if "repo_number" in values else []
        answer = read(response, names)
        transaction.set_rollback(True)
    if row.method != "GET":
        world.restore_git(values["repo_id"])
    return answer


def value_of(converter: str, name: str, values: dict[str, str]) -> str:
    if name == "kind":
        return "model" if converter == "str" else "models"
    return values[name]


def verdict(answer: Answer, absent: Answer | None, address: str, *, is_read: bool) -> set[str]:
    """What an answer can mean: one of `yes` and `no`, and `gone` where it is the absent one's."""
    if answer.status in {301, 307, 308}:
        # Whoever may know of it is led to its new address, and asked for rights there.
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
    """Where an answer first differs from the absent one's."""
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


@pytest.mark.django_db
@pytest.mark.timeout(1800)  # about a minute of processor time, however busy the machine is
class TestRepositories:
    @pytest.mark.parametrize("group", EXPECTED)
    def test_give_and_refuse_what_the_matrix_says(self, world: World, group: str) -> None:
        wrong: list[str] = []
        asked = 0
        for row in (row for row in REPOSITORY_ROWS if row.group == group and row not in SPACE_ROWS):
            table = EXPECTED[row.group]
            for caller in (*matrix.CALLERS, *matrix.SAME_AS):
                column = matrix.SAME_AS.get(caller, caller)
                column = column if not row.is_page or caller in world.people else "anonymous"
                place = world.absent
                absent_values = for_row(row, values_of(world, "absent"), place)
                absent = ask(world, row, caller, absent_values)
                for state in matrix.STATES if caller in matrix.CALLERS else ("private", "gated"):
                    place = world.places[state]
                    answer = ask(world, row, caller, for_row(row, values_of(world, state), place))
                    asked += 1
                    address = f"/{place.asked}"
                    meant = verdict(answer, absent, address, is_read=row.method == "GET")
                    expected = table[state][column]
                    if expected not in meant:
                        wrong.append(
                            f"{row.key} of a {state} repository by {caller}: {expected} expected,"
                            f" {'/'.join(sorted(meant))} found ({answer.status} {answer.body[:60]!r}"
                            f"{difference(answer, absent)})"
                        )
                    wrong += self.leaks(row, state, column, answer)
        assert not wrong, "\n".join([f"{len(wrong)} of {asked} answers differ from the matrix:", *wrong[:60]])

    @staticmethod
    def leaks(row: Row, state: str, column: str, answer: Answer) -> list[str]:
        """No answer to somebody who may not fetch may hold what was planted in files, names and diffs."""
        if EXPECTED["content"][state][column] == "yes":
            return []
        return [
            f"{row.key} of a {state} repository shows {canary!r} to {column}"
            for canary in CANARIES
            if canary in answer.raw
        ]

    def test_that_are_spaces_are_hidden_too(self, world: World) -> None:
        """Of the routes that only spaces have: a private one, by who may see it and who may not."""
        for row in SPACE_ROWS:
            for caller in matrix.CALLERS:
                values = values_of(world, "private") | {
                    "repo_id": world.private_space,
                    "blank": world.private_space,
                }
                absent = ask(world, row, caller, values_of(world, "absent"))
                meant = verdict(ask(world, row, caller, values), absent, "", is_read=True)
                expected = "yes" if caller in {"owner", "read"} else "gone"
                assert expected in meant, (row.key, caller, meant)

    def test_hide_the_same_below_every_mount(self, world: World) -> None:
        """The mounts share their views with the root; this sees that none is mounted around the rights."""
        asked = 0
        for mount in settings.HF_MOUNTS:
            for row in REPOSITORY_ROWS:
                mounted = replace(row, pattern=f"{mount}/{row.pattern}")
                if row.method != "GET" or row in SPACE_ROWS or mounted.pattern not in ALL_ROUTES:
                    continue
                for caller in ("anonymous", "stranger", "other"):
                    for state in ("private", "gated", "disabled", "renamed"):
                        answers = [
                            ask(world, mounted, caller, for_row(row, values_of(world, place), place_of))
                            for place, place_of in ((state, world.places[state]), ("absent", world.absent))
                        ]
                        expected = EXPECTED[row.group][state][caller]
                        if mounted.pattern in matrix.TOLD_OF_THE_GATE and expected == "yes":
                            expected = "yes" if state == "renamed" else "no"
                        meant = verdict(answers[0], answers[1], "", is_read=True)
                        assert expected in meant, (mounted.key, state, caller, answers[0])
                        asked += 1
        assert asked > 200


@pytest.mark.django_db
@pytest.mark.timeout(1800)
class TestEverythingElse:
    def test_is_open_to_whom_the_matrix_says(self, world: World) -> None:
        wrong: list[str] = []
        for row in OTHER_ROWS:
            for caller in matrix.CALLERS:
                column = caller if not row.is_page or caller in world.people else "anonymous"
                values = other_values(world, row)
                expected = OTHER[row.group][column]
                absent = ask(world, row, caller, values | ABSENT) if expected == "gone" else None
                answer = ask(world, row, caller, values)
                if expected not in (meant := verdict(answer, absent, "", is_read=row.method == "GET")):
                    wrong.append(
                        f"{row.key} by {caller}: {expected} expected, {'/'.join(sorted(meant))} found"
                        f" ({answer.status} {answer.body[:60]!r}{difference(answer, absent)})"
                    )
                canaries = CANARIES if column in MAY_TRADE else (*CANARIES, ORDER_CANARY)
                wrong += [f"{row.key} shows {word!r} to {column}" for word in canaries if word in answer.raw]
        assert not wrong, "\n".join([f"{len(wrong)} answers differ from the matrix:", *wrong[:60]])


MAY_TRADE = ("owner", "trade")
ABSENT = {"slug": "absent-" + "0" * 24, "pk": "999999", "blank": "999999 absent-" + "0" * 24}


def other_values(world: World, row: Row) -> dict[str, str]:
    """What a route without a repository is asked for."""
    values = world.common | {
        "repo_id": "olga/state-public",
        "namespace": "olga",
        "owner": "olga",
        "name": "state-public" if "<name:namespace>" in row.pattern else "orga",
        "number": "1",
        "key": "0" * 24,
        "pk": world.common["deleted_pk"],
        "blank": world.common["deleted_pk" if row.pattern.endswith("restore") else "hidden_slug"],
    }
    if "collections/" in row.pattern:
        values["slug"] = world.common["hidden_slug"]
    if row.pattern.startswith(("api/users", "api/v1/user")):
        values["name"] = values["user"] = "olga"
    if row.pattern.startswith("xet/"):
        values["name"] = world.common["oid"]
    return values
