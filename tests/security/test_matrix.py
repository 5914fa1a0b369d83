"""Every route of the hub, in every state of a repository, by every kind of caller, against one matrix.

The data is in `matrix/`, the code that asks in `asking.py`; the market is asked in `test_market_matrix.py`.
Private is proved to look exactly like absent: the two answers are compared.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import pytest
from django.db import transaction
from django.urls import get_resolver
from pytest_django import DjangoDbBlocker

from hub.repos.kinds import PLURAL_OF
from hub.repos.models import Kind, Repository, RepositoryRedirect
from tests import clock
from tests.security import matrix
from tests.security.asking import (
    ALL_ROUTES,
    ANY_BELOW,
    EXPECTED,
    MARKET_ROWS,
    OTHER,
    OTHER_ROWS,
    REPOSITORY_ROWS,
    SPACE_ROWS,
    WITHOUT_ROWS,
    Answer,
    Row,
    ask,
    canonical,
    difference,
    doors_of,
    for_row,
    methods_of,
    outermost,
    routes,
    turns_of,
    values_of,
    verdict,
)
from tests.security.world import CANARIES, World, build

ALL_ROWS = REPOSITORY_ROWS + OTHER_ROWS + MARKET_ROWS


class TestTheUrlconf:
    def test_has_a_row_for_every_route(self) -> None:
        known = {row.pattern for row in ALL_ROWS} | WITHOUT_ROWS
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
            "These routes have no row in tests/security/matrix/. Put each into REPOSITORY_ROUTES or"
            f" OTHER_ROUTES as “METHOD pattern class”; the file's head says how: {missing}"
        )

    def test_has_a_row_for_every_method_of_a_route(self) -> None:
        known: dict[str, set[str]] = {}
        for row in ALL_ROWS:
            known.setdefault(row.pattern, set()).add(row.method)
        missing = sorted(
            f"{method} {name}"
            for pattern, found in routes(get_resolver().url_patterns)
            if (name := canonical(pattern)) in known
            for method in methods_of(found.callback) or ()
            if method not in known[name]
        )
        assert not missing, f"These methods have no row in tests/security/matrix/: {missing}"

    def test_serves_every_row(self) -> None:
        served = {canonical(pattern) for pattern in ALL_ROUTES}
        stale = [row.key for row in ALL_ROWS if row.pattern not in served and not row.pattern.endswith("*")]
        assert not stale, f"These rows of tests/security/matrix/ name no route any more: {stale}"

    def test_is_asked_by_every_door_in_every_state(self) -> None:
        for at, row in enumerate(REPOSITORY_ROWS):
            turns = turns_of(at, row)
            asked = {(door, kind) for door, kind, _, states in turns if states == matrix.STATES}
            assert asked == set(doors_of(row)), row.key
            assert not turns or {caller for _, _, caller, _ in turns} == set(matrix.CALLERS), row.key


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """One set of users and repositories for the whole module, in a transaction that is undone."""
    with django_db_blocker.unblock(), outermost():
        logging.disable(logging.INFO)  # ten thousand lines that nobody reads
        with clock.before_the_tests():
            built = build()
        yield built
        logging.disable(logging.NOTSET)
        transaction.set_rollback(True)


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
                for state in matrix.STATES:
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

    @pytest.mark.parametrize("kind", Kind.values)
    def test_are_the_same_by_every_door_and_of_every_kind(self, world: World, kind: str) -> None:
        """Every row by each of its doors (a mount and a kind), in every state; see `turns_of`."""
        wrong: list[str] = []
        asked = 0
        with outermost():
            Repository.objects.filter(pk__in=[place.pk for place in world.places.values()]).update(kind=kind)
            RepositoryRedirect.objects.update(kind=kind)
            for at, row in enumerate(REPOSITORY_ROWS):
                for door, of_kind, caller, states in turns_of(at, row):
                    if of_kind == kind:
                        wrong += self.by_door(world, row, caller, states, door, kind)
                        asked += len(states)
            transaction.set_rollback(True)
        assert not wrong, "\n".join([f"{len(wrong)} of {asked} answers differ from the matrix:", *wrong[:60]])
        assert asked > 300

    def by_door(
        self, world: World, row: Row, caller: str, states: Sequence[str], door: str, kind: str
    ) -> list[str]:
        """The faults in the answers to one caller."""
        wrong: list[str] = []
        column = caller if not row.is_page or caller in world.people else "anonymous"
        table = EXPECTED["content" if door in matrix.TOLD_OF_THE_GATE else row.group]
        absent = ask(
            world, row, caller, for_row(row, values_of(world, "absent"), world.absent) | {"kind": kind}, door
        )
        for state in states:
            place = world.places[state]
            values = for_row(row, values_of(world, state), place) | {"kind": kind}
            answer = ask(world, row, caller, values, door)
            page = f"/{PLURAL_OF[Kind(kind)]}/{place.asked}" if "<page_plural:" in door else f"/{place.asked}"
            meant = verdict(answer, absent, page, is_read=row.method == "GET")
            wrong += self.leaks(row, state, column, answer)
            if table[state][column] not in meant:
                wrong.append(
                    f"{row.key} at {door} ({kind}) of a {state} repository by {caller}:"
                    f" {table[state][column]} expected, {'/'.join(sorted(meant))} found"
                    f" ({answer.status} {answer.body[:60]!r}{difference(answer, absent)})"
                )
        return wrong


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
                wrong += [f"{row.key} shows {word!r} to {column}" for word in CANARIES if word in answer.raw]
        assert not wrong, "\n".join([f"{len(wrong)} answers differ from the matrix:", *wrong[:60]])


ABSENT = {"slug": "absent-" + "0" * 24, "pk": "999999", "blank": "999999 absent-" + "0" * 24}


def other_values(world: World, row: Row) -> dict[str, str]:
    """The values in the address of a route without a repository."""
    values = world.common | {
        "repo_id": "olga/state-public",
        "namespace": "olga",
        "owner": "olga",
        "name": "state-public" if "<name:namespace>" in row.pattern else "orga",
        "number": "1",
        "key": "0" * 24,
        "pk": world.common["deleted_pk"],
        "notice_id": "999999",
        "token": "forged",
        "blank": world.common["deleted_pk" if row.pattern.endswith("restore") else "hidden_slug"],
    }
    if "collections/" in row.pattern:
        values["slug"] = world.common["hidden_slug"]
    if row.pattern.startswith(("api/users", "api/v1/user")):
        values["name"] = values["user"] = "olga"
    if row.pattern.startswith("xet/"):
        values["name"] = world.common["oid"]
    return values
