"""A row is deleted while a request adds to it; two transactions wait for each other: no answer is a 500."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction
from django.db.models import Model
from django.http import HttpResponseBase
from django.test import Client

from foundation.database.conflicts import DatabaseConflict, conflict_of
from foundation.errors import Refusal
from hub.accounts.models import User
from hub.community.models import Discussion, Like
from hub.community.services import collections, discussions
from hub.repos import services as repos
from hub.repos.models import Repository
from hub.xet import registration
from hub.xet.codec.hashes import HASH_BYTES
from hub.xet.codec.xorbs import OFFSET, Layout
from hub.xet.models import Xorb
from tests.factories import hub as make
from tests.factories.hub import NOW

pytestmark = pytest.mark.django_db(transaction=True)
needs_row_locks = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one writer: nobody waits for a row"
)
WAIT_SECONDS = 60


@dataclass
class Case:
    """A request that deletes something, and the request that adds to it meanwhile."""

    method: str
    path: str
    parent: Callable[[], Model]
    body: Any = None
    form: str = ""  # of a page, which is sent with a session
    status: int = 409


def repository_row() -> Model:
    return Repository.objects.get(full_name="ada/weights")


def closed_row() -> Model:
    return Repository.objects.get(full_name="ada/closed")


def fan_row() -> Model:
    return User.objects.get(namespace__key="fan")


def discussion_row() -> Model:
    return Discussion.objects.get(repository__full_name="ada/weights", number=1)


CASES = {
    "a like, Hugging Face": Case("POST", "/api/models/ada/weights/like", repository_row),
    "a like, page": Case("POST", "/ada/weights/like", repository_row, form="on=1"),
    "a watch, page": Case("POST", "/ada/weights/watch", repository_row, form="on=1"),
    "a discussion": Case(
        "POST", "/api/models/ada/weights/discussions", repository_row, {"title": "Hello", "description": "x"}
    ),
    "a comment": Case(
        "POST", "/api/models/ada/weights/discussions/1/comment", discussion_row, {"comment": "x"}
    ),
    "a follower": Case("POST", "/api/users/ada/follow", fan_row),
    "a request for access": Case("POST", "/ada/closed/ask-access", closed_row),
    "a token": Case("POST", "/api/hub/v1/tokens", fan_row, {"name": "x", "scopes": ["read"]}),
    "a webhook": Case(
        "POST",
        "/api/settings/webhooks",
        fan_row,
        {"url": "https://hooks.example.org/", "watched": [{"type": "user", "name": "fan"}]},
    ),
    "an upvote": Case(
        "POST",
        "/api/collections/{collection}/upvote",
        lambda: collections.Collection.objects.get(namespace__key="ada"),
        status=404,
    ),
    "an item of a collection": Case(
        "POST",
        "/api/collections/{mine}/items",
        repository_row,
        {"item": {"type": "model", "id": "ada/weights"}},
    ),
}


def people() -> dict[str, str]:
    """A repository with a discussion, a collection, and somebody who adds to them; the names in addresses."""
    ada, fan = make.actor("ada"), make.actor("fan")
    repository = make.repository(ada, "weights")
    closed = make.repository(ada, "closed")
    repos.change_settings(actor=ada, repository=closed, change=repos.Settings(gating="manual"))
    discussions.open_discussion(actor=ada, repository=repository, title="Hello there", text="", now=NOW)
    made = [
        collections.create_collection(
            actor=actor, request=collections.NewCollection(namespace=actor.name, title="Good ones"), now=NOW
        ).slug
        for actor in (ada, fan)
    ]
    return {"collection": made[0], "mine": made[1]}


def send(case: Case, names: dict[str, str], token: str) -> HttpResponseBase:
    client = Client(raise_request_exception=False)
    path, body = case.path.format(**names), json.dumps(case.body or {})
    try:
        if case.form:
            client.force_login(User.objects.get(namespace__key="fan"))
            return client.generic(case.method, path, case.form, "application/x-www-form-urlencoded")
        headers = {"Authorization": f"Bearer {token}"}
        return client.generic(case.method, path, body, "application/json", headers=headers)
    finally:
        connection.close()


def until_it_waits_or_is_done(request: Future[Any]) -> None:
    """Return when some transaction waits for a lock, or the request has ended."""
    deadline = time.monotonic() + WAIT_SECONDS
    with connection.cursor() as cursor:
        while not request.done():
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
            assert time.monotonic() < deadline, "the request neither waits nor ends"


class TestDeletion:
    @needs_row_locks
    @pytest.mark.parametrize("name", CASES)
    def test_meets_a_request_that_adds_without_a_crash(self, name: str) -> None:
        """The request has found the row before it is deleted, and adds to it before that is committed."""
        case, names = CASES[name], people()
        token = make.token(User.objects.get(namespace__key="fan"), "write")
        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                case.parent().delete()
                request = pool.submit(send, case, names, token)
                until_it_waits_or_is_done(request)
            answer = request.result(timeout=WAIT_SECONDS)
        assert answer.status_code == case.status


def record(name: str, layout: Layout) -> object:
    try:
        with transaction.atomic():
            return registration.record_xorb(name, layout, now=NOW)
    except Refusal as refusal:
        return refusal.code
    finally:
        connection.close()


class TestDeletionOfAXorb:
    @needs_row_locks
    def test_meets_the_same_xorb_sent_again_without_a_crash(self) -> None:
        """The row was found before it is deleted, and is locked only after that."""
        layout = Layout(bytes(HASH_BYTES), np.array([10], OFFSET), np.array([20], OFFSET))
        name = "ab" * 32
        record(name, layout)
        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                Xorb.objects.get(pk=name).delete()
                again = pool.submit(record, name, layout)
                until_it_waits_or_is_done(again)
            assert again.result(timeout=WAIT_SECONDS) == "xorb_busy"
        assert isinstance(record(name, layout), Xorb)


class TestAForeignKeyWithoutItsRow:
    def test_is_a_conflict_on_every_database(self) -> None:
        ada = make.user("ada")
        with pytest.raises(IntegrityError) as caught, transaction.atomic():
            Like.objects.create(repository_id=999_999, user=ada, created_at=NOW)
        assert conflict_of(caught.value) is DatabaseConflict.PARENT_DELETED

    def test_is_not_what_a_unique_index_says(self) -> None:
        ada = make.user("ada")
        repository = make.repository(ada, "weights")
        Like.objects.create(repository=repository, user=ada, created_at=NOW)
        with pytest.raises(IntegrityError) as caught:
            Like.objects.create(repository=repository, user=ada, created_at=NOW)
        assert conflict_of(caught.value) is None

    def test_is_no_bug_of_other_kinds(self) -> None:
        with pytest.raises(DatabaseError) as caught, connection.cursor() as cursor:
            cursor.execute("SELECT absent FROM absent")
        assert conflict_of(caught.value) is None


class TestADeadlock:
    @needs_row_locks
    def test_is_503_with_the_time_to_return(self) -> None:
        """The request holds a like and waits for the repository; who holds that waits for the like."""
        people()
        fan = User.objects.get(namespace__key="fan")
        token = make.token(fan, "write")
        repository = Repository.objects.get(full_name="ada/weights")
        case = CASES["a like, Hugging Face"]
        for _ in range(10):  # PostgreSQL ends one of the two, now this one and now that one
            answer = self._deadlock(case, token, repository, fan)
            if answer.status_code == 503:
                break
            Like.objects.all().delete()
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert "Try again" in json.loads(answer.content)["error"]  # type: ignore[attr-defined]

    @staticmethod
    def _deadlock(case: Case, token: str, repository: Repository, fan: User) -> HttpResponseBase:
        with ThreadPoolExecutor(1) as pool:
            try:
                with transaction.atomic():
                    Repository.objects.select_for_update().get(pk=repository.pk)
                    request = pool.submit(send, case, {}, token)
                    until_it_waits_or_is_done(request)
                    Like.objects.create(repository=repository, user=fan, created_at=NOW)
            except (OperationalError, IntegrityError):
                pass  # this one was ended, or the request was quicker
            return request.result(timeout=WAIT_SECONDS)
