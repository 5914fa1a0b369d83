"""Texts that no database holds, in statements and in use cases; run on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection, transaction

from foundation.errors import Refusal
from foundation.stored_texts import UnstorableText, is_storable
from hub.accounts import selectors as accounts
from hub.accounts import services
from hub.accounts.errors import BadCredentials
from hub.accounts.models import AccessToken, Namespace, User
from hub.accounts.principals import Principal
from hub.audit.models import AuditEntry
from hub.repos import selectors as repos
from tests.factories import hub
from tests.factories.hub import NOW

SURROGATE, NUL = "a\ud800b", "a\0b"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("", True),
        ("a", True),
        ("名前 🎈", True),
        (NUL, False),
        (SURROGATE, False),
        ("名\0", False),
        ("\udfff", False),
    ],
)
def test_storable_texts(text: str, *, answer: bool) -> None:
    assert is_storable(text) is answer


@pytest.mark.django_db
class TestStatements:
    @pytest.mark.parametrize("text", [SURROGATE, pytest.param(NUL, marks=pytest.mark.postgres)])
    @pytest.mark.parametrize(
        "ask",
        [
            lambda text: Namespace.objects.filter(key=text).exists(),
            lambda text: Namespace.objects.filter(key__in=["x", text]).exists(),
            lambda text: Namespace.objects.filter(key__icontains=text).exists(),
            lambda text: AuditEntry.objects.create(actor=text, action="x", subject="x"),
            lambda text: AuditEntry.objects.bulk_create([AuditEntry(actor=text, action="x", subject="x")]),
        ],
    )
    def test_are_refused(self, ask: Callable[[str], object], text: str) -> None:
        with pytest.raises(UnstorableText), transaction.atomic():
            ask(text)
        assert AuditEntry.objects.filter(action="x").count() == 0

    def test_with_other_errors_stay_as_they_are(self) -> None:
        with connection.cursor() as cursor, pytest.raises(UnicodeEncodeError), transaction.atomic():
            cursor.execute("SELECT '\ud800'")


def sign_in(text: str) -> object:
    return services.people.sign_in(name=text, password="x", address="192.0.2.1")


USE_CASES: list[Callable[[str], object]] = [
    sign_in,
    lambda text: services.people.sign_in(name="erin", password=text, address="192.0.2.1"),
    lambda text: services.people.sign_in(name=f"{text}@example.org", password="x", address="192.0.2.1"),
    services.people.require_strong,
    accounts.get_namespace,
    accounts.get_user,
    lambda text: accounts.principal_for_token(text, now=NOW),
    lambda text: repos.get_repository(actor=Principal(), kind="model", repo_id=f"{text}/x"),
    User.objects.get_by_natural_key,
]


@pytest.mark.django_db
class TestUseCases:
    @pytest.mark.parametrize("text", [SURROGATE, NUL])
    @pytest.mark.parametrize("call", USE_CASES)
    def test_refuse_them(self, call: Callable[[str], object], text: str) -> None:
        hub.user("erin", password="a long enough word")
        with pytest.raises((Refusal, User.DoesNotExist)):
            call(text)

    @pytest.mark.parametrize("text", [SURROGATE, NUL])
    def test_of_signing_in_say_no_more_than_for_a_wrong_password(self, text: str) -> None:
        with pytest.raises(BadCredentials):
            sign_in(text)

    def test_of_tokens_find_none(self) -> None:
        assert not AccessToken.objects.filter(digest=accounts.digest(SURROGATE)).exists()
