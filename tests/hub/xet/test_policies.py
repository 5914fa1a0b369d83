"""A hash is a name, not a key: what opens with access must close with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hub.accounts.models import Role, Visibility
from hub.accounts.principals import Principal
from hub.repos import services as repositories
from hub.repos.models import AccessRequest, Gating, Repository
from hub.xet import selectors, services
from hub.xet.errors import ChunkNotFound, FileNotFound, UnknownXorb, XorbNotFound
from tests.factories import hub
from tests.factories.hub import NOW
from tests.hub.xet import uploads, vectors

FIRST = uploads.of(vectors.HELLO.content)
Change = Callable[[Principal, Repository, Principal], object]


def reaches(actor: Principal, repository: Repository) -> set[str]:
    """All ways in which bytes of FIRST open to somebody who knows every hash of it."""
    opened = set()
    [(xorb, _)] = FIRST.xorbs.items()
    ways: dict[str, tuple[Callable[[], object], type[Exception]]] = {
        "file": (
            lambda: selectors.get_file(actor=actor, repository=repository, name=vectors.HELLO.file),
            FileNotFound,
        ),
        "xorb": (lambda: selectors.get_xorb(actor=actor, name=xorb), XorbNotFound),
        "chunk": (lambda: services.answer_chunk_query(actor=actor, chunk=xorb, now=NOW), ChunkNotFound),
        "shard": (lambda: uploads.send_shard(FIRST, actor, hub.repository(actor)), UnknownXorb),
    }
    for name, (way, refusal) in ways.items():
        try:
            way()
        except refusal:
            continue
        opened.add(name)
    return opened


def collaborate(alice: Principal, repository: Repository, bob: Principal, role: Role | None) -> None:
    assert bob.user is not None
    repositories.set_collaborator(actor=alice, repository=repository, user=bob.user, role=role)


def change(alice: Principal, repository: Repository, **fields: str) -> None:
    repositories.change_settings(actor=alice, repository=repository, change=repositories.Settings(**fields))


def lose_collaboration(alice: Principal, repository: Repository, bob: Principal) -> None:
    collaborate(alice, repository, bob, None)


def delete(alice: Principal, repository: Repository, _: Principal) -> None:
    repositories.delete_repository(actor=alice, repository=repository, now=NOW)


def disable(_: Principal, repository: Repository, __: Principal) -> None:
    repositories.disable_repository(repository=repository, is_disabled=True)


@pytest.mark.django_db
class TestAccess:
    def test_opens_every_way(self, alice: Principal, bob: Principal, model: Repository) -> None:
        uploads.send(FIRST, alice, model)
        collaborate(alice, model, bob, Role.READ)
        assert reaches(bob, model) == {"file", "xorb", "chunk", "shard"}

    @pytest.mark.parametrize("end", [lose_collaboration, delete, disable])
    def test_closes_every_way_when_it_ends(
        self, alice: Principal, bob: Principal, model: Repository, end: Change
    ) -> None:
        uploads.send(FIRST, alice, model)
        collaborate(alice, model, bob, Role.READ)
        end(alice, model, bob)
        assert reaches(bob, model) == set()

    def test_ends_when_a_repository_becomes_private(self, alice: Principal, bob: Principal) -> None:
        public = hub.repository(alice)
        uploads.send(FIRST, alice, public)
        assert selectors.get_file(actor=bob, repository=public, name=vectors.HELLO.file).size == 11
        change(alice, public, visibility=Visibility.PRIVATE)
        assert reaches(bob, public) == set()

    def test_waits_at_the_gate(self, alice: Principal, bob: Principal) -> None:
        gated = hub.repository(alice)
        uploads.send(FIRST, alice, gated)
        change(alice, gated, gating=Gating.MANUAL)
        assert reaches(bob, gated) == set()
        assert bob.user is not None
        AccessRequest.objects.create(repository=gated, user=bob.user, status=AccessRequest.Status.ACCEPTED)
        assert reaches(bob, gated) == {"file", "xorb", "chunk", "shard"}
