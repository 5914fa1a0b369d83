"""Xet's tokens, plans and signed ranges open nothing once their holder's rights have ended."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from django.test import Client

from hub.accounts.models import AccessToken, Role, User
from hub.accounts.principals import Principal
from hub.repos import services as repos
from hub.repos.models import Repository
from tests.factories import hub as make
from tests.factories.hub import NOW
from tests.hub.xet import uploads, vectors

pytestmark = pytest.mark.django_db
HELLO = uploads.of(vectors.HELLO.content)
[XORB] = HELLO.xorbs
REFUSED = {401, 403, 404}


@pytest.fixture
def owner() -> Principal:
    return make.actor("olga")


@pytest.fixture
def repository(owner: Principal) -> Repository:
    made = make.repository(owner, "thing", visibility="private")
    uploads.send(HELLO, owner, made)
    return made


@pytest.fixture
def reader(owner: Principal, repository: Repository) -> User:
    rita = make.user("rita")
    repos.set_collaborator(actor=owner, repository=repository, user=rita, role=Role.READ)
    return rita


def addresses(client: Client, reader: User) -> list[tuple[str, str, dict[str, str]]]:
    """(method, address, headers) of everything that a reader was given or can name, all of it good now."""
    issued = client.get("/api/models/olga/thing/xet-read-token/main", headers=make.bearer(reader, "read"))
    token = {"Authorization": f"Bearer {issued.json()['accessToken']}"}
    found = [
        (method, f"{mount}/{path}", token)
        for mount in ("/xet", "/xet/v1", "/xet/cas-3", "/xet/cas-3/v1")
        for method, path in (
            ("GET", f"reconstructions/{vectors.HELLO.file}"),
            ("GET", f"chunks/default/{XORB}"),
            ("HEAD", f"xorbs/default/{XORB}"),
        )
    ]
    found += [
        ("GET", f"{mount}/reconstructions/{vectors.HELLO.file}", token)
        for mount in ("/xet/v2", "/xet/cas-3/v2")
    ]
    for version in ("v1", "v2"):
        plan = client.get(f"/xet/{version}/reconstructions/{vectors.HELLO.file}", headers=token).json()
        [(_, [piece])] = (plan.get("fetch_info") or plan["xorbs"]).items()
        parts = urlsplit(piece["url"])
        found.append(("GET", f"{parts.path}?{parts.query}", {}))
    return found


def statuses(client: Client, given: list[tuple[str, str, dict[str, str]]]) -> dict[str, int]:
    found = {}
    for method, address, headers in given:
        answer = client.generic(method, address, headers=headers)
        if answer.streaming:
            b"".join(answer.streaming_content)  # type: ignore[attr-defined]
        found[f"{method} {address[:90]}"] = answer.status_code
    return found


def _leave(owner: Principal, repository: Repository, reader: User) -> None:
    repos.set_collaborator(actor=owner, repository=repository, user=reader, role=None)


def _gate(owner: Principal, repository: Repository, reader: User) -> None:
    change = repos.Settings(visibility="public", gating="manual")
    repos.change_settings(actor=owner, repository=repository, change=change)
    _leave(owner, repository, reader)


def _disable(_owner: Principal, repository: Repository, _reader: User) -> None:
    make.set_disabled(repository, is_disabled=True)


def _delete(owner: Principal, repository: Repository, _reader: User) -> None:
    repos.delete_repository(actor=owner, repository=repository, now=NOW)


def _move_out_of_reach(owner: Principal, repository: Repository, reader: User) -> None:
    _leave(owner, repository, reader)
    repos.move_repository(actor=owner, repository=repository, to="olga/elsewhere")


def _revoke(_owner: Principal, _repository: Repository, reader: User) -> None:
    AccessToken.objects.filter(user=reader).delete()


def _deactivate(_owner: Principal, _repository: Repository, reader: User) -> None:
    User.objects.filter(pk=reader.pk).update(is_active=False)


ENDS: tuple[Callable[[Principal, Repository, User], None], ...] = (
    _leave,
    _gate,
    _disable,
    _delete,
    _move_out_of_reach,
    _revoke,
    _deactivate,
)


class TestGrantsOfAReader:
    @pytest.mark.parametrize("end", ENDS)
    def test_ends_with_the_right(
        self,
        client: Client,
        owner: Principal,
        repository: Repository,
        reader: User,
        end: Callable[[Principal, Repository, User], None],
    ) -> None:
        given = addresses(client, reader)
        assert {status for status in statuses(client, given).values() if status not in {200, 206}} == set()
        end(owner, repository, reader)
        still = {what: status for what, status in statuses(client, given).items() if status not in REFUSED}
        assert still == {}


class TestGrantsOfAProposer:
    def test_takes_no_more_bytes_once_the_repository_is_hidden(
        self, client: Client, owner: Principal, repository: Repository
    ) -> None:
        repos.change_settings(actor=owner, repository=repository, change=repos.Settings(visibility="public"))
        mallory = make.user("mallory")
        issued = client.get(
            "/api/models/olga/thing/xet-write-token/main?create_pr=1", headers=make.bearer(mallory)
        )
        token = {"Authorization": f"Bearer {issued.json()['accessToken']}"}
        repos.change_settings(actor=owner, repository=repository, change=repos.Settings(visibility="private"))
        for path, body in (
            (f"xorbs/default/{XORB}", HELLO.xorbs[XORB]),
            ("shards", HELLO.shard_bytes),
        ):
            for version in ("v1/", "v2/", ""):
                answer = client.post(
                    f"/xet/{version}{path}", body, content_type="application/octet-stream", headers=token
                )
                assert answer.status_code in REFUSED, (path, version, answer.content)
