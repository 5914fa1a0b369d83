"""Every route of the market by every kind of caller, against the matrix in `matrix/market_routes.py`.

A caller without the right is refused in the same way whatever the body is: rights come before bodies.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest
from django.db import transaction
from pytest_django import DjangoDbBlocker

from tests import clock
from tests.security import matrix
from tests.security.asking import Answer, Row, difference, expected_of, outermost, read, rows_of, verdict
from tests.security.market_world import MARKET_CANARIES, MarketWorld, build

ROWS = rows_of(matrix.MARKET_ROUTES)
EXPECTED = expected_of(matrix.MARKET_EXPECTED, matrix.MARKET_CALLERS)
ABSENT = "987654321"
# A namespace is no secret. An API refuses a look into its account with these codes, a page with 404.
REFUSED_ACCOUNTS = ("account_not_found", "provider_not_found")
Body = tuple[str, str]


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[MarketWorld]:
    with django_db_blocker.unblock(), outermost():
        logging.disable(logging.INFO)
        with clock.before_the_tests():
            built = build()
        yield built
        logging.disable(logging.NOTSET)
        transaction.set_rollback(True)


def callers_of(row: Row) -> tuple[str, ...]:
    return matrix.MARKET_SESSIONS if by_session(row) else matrix.MARKET_CALLERS


def by_session(row: Row) -> bool:
    return row.is_page or row.variant == "#session"


def bodies_of(world: MarketWorld, row: Row, caller: str, *, bad: bool) -> list[Body]:
    """A body that is well formed; with `bad` also malformed ones that ask for the same account or act."""
    body = matrix.MARKET_BODIES.get(row.key, {})
    named = {name: body[name] for name in matrix.NAMING if name in body}
    shaped = [body, named | matrix.BAD_FIELDS] if bad else [body]
    if row.is_page:
        return [("application/x-www-form-urlencoded", urlencode(each)) for each in shaped]
    names = {"{self}": world.name(caller), "{slug}": world.values["slug"]}
    texts = [re.sub(r"\{\w+\}", lambda found: names[found[0]], json.dumps(each)) for each in shaped]
    others = matrix.BAD_BODIES if bad and not named else ()
    return [*(("application/json", text) for text in texts), *others]


def ask(world: MarketWorld, row: Row, caller: str, body: Body, changed: dict[str, str]) -> Answer:
    """One request, undone afterwards."""
    values = world.values | world.variants.get(row.variant, {}) | changed
    path = "/" + re.sub(r"<\w+:(\w+)>", lambda found: values[found[1]], row.pattern)
    query = row.variant[1:] if row.variant.startswith("?") else ""
    headers = world.forged if row.variant == "#forged" else {}
    client = world.anonymous
    if by_session(row):
        client = world.sessions.get(caller, client)
    elif caller in world.secrets:
        headers = headers | {"Authorization": f"Bearer {world.secrets[caller]}"}
    client.cookies.pop("messages", None)  # messages that an earlier request left
    media, text = ("", "") if row.method == "GET" else body
    with outermost():
        response = client.generic(row.method, path, text, media, headers=headers, QUERY_STRING=query)
        if response.headers.get("Content-Type", "").startswith("text/event-stream"):
            # It does not end by itself, and begins only once it is read.
            answer = Answer(response.status_code, {}, "")
        else:
            answer = read(response, [path, quote(path, safe="")])
        transaction.set_rollback(True)
    return answer


def meant(row: Row, answer: Answer, absent: Answer | None) -> set[str]:
    found = verdict(answer, absent, "", is_read=row.method == "GET")
    refused = row.is_page or any(f'"{code}"' in answer.raw for code in REFUSED_ACCOUNTS)
    if answer.status == 404 and refused:
        found = (found - {"yes"}) | {"no"}
    return found


@pytest.mark.django_db
@pytest.mark.timeout(900)
class TestTheMarket:
    @pytest.mark.parametrize("group", EXPECTED)
    def test_gives_and_refuses_what_the_matrix_says(self, world: MarketWorld, group: str) -> None:
        wrong: list[str] = []
        for row in (row for row in ROWS if row.group == group):
            for caller in callers_of(row):
                wrong += self.by_caller(world, row, caller, EXPECTED[group][caller])
        assert not wrong, "\n".join([f"{len(wrong)} answers differ from the matrix:", *wrong[:60]])

    def by_caller(self, world: MarketWorld, row: Row, caller: str, expected: str) -> list[str]:
        """The faults in the answers to one caller; if the caller is refused, also in those to bad bodies."""
        bad = expected != "yes" and row.method != "GET" and row.key not in matrix.BODY_DECIDES
        bodies = bodies_of(world, row, caller, bad=bad)
        wrong = []
        for body in bodies:
            absent = None
            if expected == "gone":
                absent = ask(
                    world, row, caller, body, dict.fromkeys(("order_id", "lease_id", "node_id"), ABSENT)
                )
            answer = ask(world, row, caller, body, {})
            found = meant(row, answer, absent)
            if expected not in found:
                wrong.append(
                    f"{row.key} by {caller} with {body[1][:40]!r}: {expected} expected,"
                    f" {'/'.join(sorted(found))} found"
                    f" ({answer.status} {answer.body[:90]!r}{difference(answer, absent)})"
                )
            if caller not in MAY_SEE and row.group != "node":
                wrong += [
                    f"{row.key} shows {word!r} to {caller}" for word in MARKET_CANARIES if word in answer.raw
                ]
        return wrong


# The team's order has the same name as olga's.
MAY_SEE = ("trade", "grant", "clerk")
