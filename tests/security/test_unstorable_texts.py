"""NUL and lone surrogates in addresses and queries of each door: none answers with an error."""

from __future__ import annotations

import pytest
from django.test import Client

from hub.accounts.principals import Principal
from tests.described import AnswerUndescribed
from tests.factories import hub
from tests.fuzz.routes import Route, by_modules

pytestmark = pytest.mark.django_db
# As bytes in an address: NUL, and a lone surrogate in the form that UTF-8 does not allow.
ROUTES_OF_GROUP = 2
HOSTILE = ("a%00b", "a%ED%A0%80b")
QUERY = (
    "q",
    "search",
    "author",
    "filter",
    "cursor",
    "after",
    "name",
    "page",
    "sort",
    "tag",
    "path",
    "revision",
)


def address(route: Route, word: str) -> str:
    """The address with the word in each place that a caller chooses freely."""
    parts = [
        part if isinstance(part, str) else part.choices[0] if part.choices else _fitting(part.converter, word)
        for part in route.parts
    ]
    return "/" + "".join(parts)


def _fitting(converter: str, word: str) -> str:
    return {"repo_id": f"alice/{word}", "int": "1", "row_id": "1"}.get(converter, word)


@pytest.fixture
def client() -> Client:
    """Signed in, and an error of the program is an answer 500."""
    alice: Principal = hub.actor("alice")
    made = Client(raise_request_exception=False)
    assert alice.user is not None
    made.force_login(alice.user)
    return made


@pytest.mark.parametrize("word", HOSTILE)
def test_no_address_is_an_error(client: Client, word: str) -> None:
    query = "&".join(f"{name}={word}" for name in QUERY)
    failed, asked = [], 0
    for group in by_modules():
        # Routes whose views are in the same modules parse their words by the same functions.
        for route in group[:: max(1, len(group) // ROUTES_OF_GROUP)]:
            path = f"{address(route, word)}?{query}"
            try:
                status = client.get(path).status_code
            except AnswerUndescribed:
                # A refusal of an address that has other methods only.
                continue
            asked += 1
            if status == 500:
                failed.append(path)
    assert asked > 50
    assert failed == []
