"""A signed address is a claim: whether its holder still may is asked at every use."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import urlsplit

import pytest
from django.test import Client

from hub.accounts.models import AccessToken, Role, User
from hub.accounts.principals import Principal
from hub.repos import services as repos
from hub.repos.models import Repository
from tests.factories import hub as make
from tests.factories.hub import NOW
from tests.hub.lfs.helpers import send

pytestmark = pytest.mark.django_db
DATA = b"weights " * 100
OTHER = b"more weights " * 100


@pytest.fixture
def owner() -> Principal:
    return make.actor("olga")


@pytest.fixture
def writer(owner: Principal, repository: Repository) -> User:
    wally = make.user("wally")
    repos.set_collaborator(actor=owner, repository=repository, user=wally, role=Role.WRITE)
    return wally


@pytest.fixture
def repository(owner: Principal) -> Repository:
    made = make.repository(owner, "thing")
    send(made, DATA)
    return made


def address(client: Client, operation: str, data: bytes, headers: dict[str, str]) -> str:
    """The address to which a batch sends the client to upload or download an object."""
    body = {"operation": operation, "objects": [{"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}]}
    answer = client.post(
        "/olga/thing.git/info/lfs/objects/batch",
        json.dumps(body),
        content_type="application/vnd.git-lfs+json",
        headers=headers,
    )
    parts = urlsplit(answer.json()["objects"][0]["actions"][operation]["href"])
    return f"{parts.path}?{parts.query}"


REFUSED = {401, 403, 404}


def status(client: Client, address: str) -> int:
    """Of a download, which is read to its end so that its file is closed."""
    answer = client.get(address)
    if answer.streaming:
        b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    return int(answer.status_code)


class TestDownloads:
    def test_end_when_the_repository_is_hidden_or_deleted(
        self, client: Client, owner: Principal, repository: Repository
    ) -> None:
        anonymous = address(client, "download", DATA, {})
        assert status(client, anonymous) == 200
        for change, back in (
            (repos.Settings(visibility="private"), repos.Settings(visibility="public")),
            (repos.Settings(gating="manual"), repos.Settings(gating="")),
        ):
            repos.change_settings(actor=owner, repository=repository, change=change)
            assert status(client, anonymous) in REFUSED
            repos.change_settings(actor=owner, repository=repository, change=back)
        make.set_disabled(repository, is_disabled=True)
        assert status(client, anonymous) == 403
        make.set_disabled(repository, is_disabled=False)
        assert status(client, anonymous) == 200
        repos.delete_repository(actor=owner, repository=repository, now=NOW)
        assert status(client, anonymous) in REFUSED

    def test_go_on_for_who_still_may(self, client: Client, owner: Principal, repository: Repository) -> None:
        assert owner.user is not None
        own = address(client, "download", DATA, make.bearer(owner.user, "read"))
        repos.change_settings(actor=owner, repository=repository, change=repos.Settings(visibility="private"))
        assert status(client, own) == 200


class TestUploads:
    def test_end_with_the_right_to_write(
        self, client: Client, owner: Principal, repository: Repository, writer: User
    ) -> None:
        repos.change_settings(actor=owner, repository=repository, change=repos.Settings(visibility="private"))
        given = address(client, "upload", OTHER, make.bearer(writer))
        repos.set_collaborator(actor=owner, repository=repository, user=writer, role=None)
        refused = client.put(given, OTHER, content_type="application/octet-stream")
        assert refused.status_code in REFUSED

    def test_end_with_the_token(self, client: Client, repository: Repository, writer: User) -> None:
        given = address(client, "upload", OTHER, make.bearer(writer))
        AccessToken.objects.filter(user=writer).delete()
        refused = client.put(given, OTHER, content_type="application/octet-stream")
        assert refused.status_code in REFUSED

    def test_go_on_for_who_still_may(self, client: Client, repository: Repository, writer: User) -> None:
        given = address(client, "upload", OTHER, make.bearer(writer))
        assert client.put(given, OTHER, content_type="application/octet-stream").status_code == 200
