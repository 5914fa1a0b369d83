"""Every way to copy a repository keeps its gate: a copy made through any door is no way around it."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.repos.models import AccessRequest, Kind, Repository
from tests.factories import hub as make
from tests.factories.hub import NOW
from tests.hub.lfs.helpers import oid_of, send
from tests.security.asking import DOORS_OF, PREFIXES

pytestmark = pytest.mark.django_db
FILE = "secret.txt"
SECRET = b"canary-in-a-file\n"
LARGE = b"weights " * 100
DUPLICATE = "api/<plural:kind>/<repo_id:repo_id>/duplicate"
# OpenCSG's and ModelScope's wires, the hub's own API and the pages copy nothing; git makes no repositories.
OTHER_DOORS = [
    pattern for pattern in DOORS_OF if "duplicate" in pattern or "fork" in pattern or "copy" in pattern
]


@pytest.fixture
def owner() -> Principal:
    return make.actor("olga")


@pytest.fixture
def mallory() -> User:
    return make.user("mallory")


def gated(owner: Principal, kind: str, gating: str, admitted: User) -> Repository:
    """A gated repository through whose gate somebody was let."""
    made = make.repository(owner, "thing", kind=kind, gating=gating, files={FILE: SECRET})
    AccessRequest.objects.create(
        repository=made, user=admitted, status=AccessRequest.Status.ACCEPTED, requested_at=NOW
    )
    return made


def status(client: Client, address: str) -> int:
    answer = client.get(address)
    b"".join(answer)
    return answer.status_code


class TestTheUrlconf:
    def test_copies_by_these_routes_alone(self) -> None:
        """A new one needs a test here that its copies keep the gate."""
        known = {DUPLICATE, DUPLICATE.replace("duplicate", "lfs-files/duplicate")}
        assert {pattern for pattern in OTHER_DOORS if "<name:repo_id>" not in pattern} == known


class TestADuplicate:
    @pytest.mark.parametrize("gating", ["auto", "manual"])
    @pytest.mark.parametrize("mount", [door.removesuffix(DUPLICATE) for door in DOORS_OF[DUPLICATE]])
    @pytest.mark.parametrize("kind", [Kind.MODEL, Kind.DATASET, Kind.SPACE])
    def test_keeps_the_gate_and_lets_nobody_through(
        self, client: Client, owner: Principal, mallory: User, mount: str, kind: Kind, gating: str
    ) -> None:
        gated(owner, kind, gating, mallory)
        prefix = next((f"{word}/" for word, of in PREFIXES.items() if of == kind), "")
        plural = prefix.removesuffix("/") or "models"
        for body in (
            {"repository": "copy"},
            {"repository": "copy-2", "visibility": "public"},
            {"repository": "copy-3", "private": False, "gated": False, "gating": "", "tags": []},
        ):
            answer = client.post(
                f"/{mount}api/{plural}/olga/thing/duplicate",
                json.dumps(body),
                content_type="application/json",
                headers=make.bearer(mallory),
            )
            assert answer.status_code == 200, answer.content
            copy = Repository.objects.get(full_name=f"mallory/{body['repository']}")
            assert (copy.gating, copy.access_requests.count()) == (gating, 0)
            assert status(client, f"/{prefix}mallory/{copy.name}/resolve/main/{FILE}") == 401

    def test_of_a_duplicate_keeps_it_too(self, client: Client, owner: Principal, mallory: User) -> None:
        gated(owner, Kind.MODEL, "manual", mallory)
        headers = make.bearer(mallory)
        for source, to in (("olga/thing", "mallory/copy"), ("mallory/copy", "mallory/again")):
            answer = client.post(
                f"/api/models/{source}/duplicate",
                {"repository": to},
                content_type="application/json",
                headers=headers,
            )
            assert answer.status_code == 200
        assert status(client, f"/mallory/again/resolve/main/{FILE}") == 401


class TestLargeFilesOfAnotherRepository:
    def test_are_shared_with_those_alone_who_were_let_in(
        self, client: Client, owner: Principal, mallory: User
    ) -> None:
        """An admitted user may publish the fetched files. Nobody else can get the bytes by their hash."""
        send(gated(owner, Kind.MODEL, "manual", mallory), LARGE)
        stranger = make.user("sten")
        for who, expected in ((stranger, {401, 403, 404}), (mallory, {200})):
            make.repository(who, "own")
            answer = client.post(
                "/api/models/olga/thing/lfs-files/duplicate",
                {
                    "target": {"type": "model", "name": f"{who.name}/own"},
                    "files": [{"sha256": oid_of(LARGE)}],
                },
                content_type="application/json",
                headers=make.bearer(who),
            )
            assert answer.status_code in expected, answer.content
