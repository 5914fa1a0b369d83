"""A hash is a name, not a key: what opens with access must close with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from foundation.errors import Unauthenticated
from hub.accounts.models import Role, Visibility
from hub.accounts.principals import ANONYMOUS, SYSTEM, Principal
from hub.repos import services as repositories
from hub.repos.errors import RepositoryNotFound
from hub.repos.models import AccessRequest, Gating, Repository
from hub.xet import policies, selectors, services
from hub.xet.errors import ChunkNotFound, FileNotFound, UnknownXorb, XorbNotFound
from hub.xet.models import XetFile, Xorb
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
    hub.set_disabled(repository, is_disabled=True)


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


@pytest.mark.django_db
class TestNaming:
    def test_is_open_to_the_operator_and_to_nobody_without_a_repository(
        self, alice: Principal, bob: Principal, model: Repository
    ) -> None:
        uploads.send(FIRST, alice, model)
        for actor, count in ((SYSTEM, 1), (alice, 1), (bob, 0), (ANONYMOUS, 0)):
            assert Xorb.objects.filter(policies.xorbs_nameable_by(actor)).count() == count

    def test_is_open_to_all_where_the_content_is(self, alice: Principal, bob: Principal) -> None:
        public = hub.repository(alice)
        uploads.send(FIRST, alice, public)
        for actor in (bob, ANONYMOUS):
            assert Xorb.objects.filter(policies.xorbs_nameable_by(actor)).exists()
            assert XetFile.objects.filter(policies.files_readable_by(actor)).exists()

    def test_of_what_one_has_sent_stays_when_the_repository_goes(
        self, alice: Principal, bob: Principal, model: Repository
    ) -> None:
        uploads.send(FIRST, alice, model)
        delete(alice, model, bob)
        assert Xorb.objects.filter(policies.xorbs_nameable_by(alice)).exists()
        assert not XetFile.objects.filter(policies.files_readable_by(alice)).exists()

    def test_in_one_repository_is_not_in_another(self, alice: Principal, model: Repository) -> None:
        uploads.send(FIRST, alice, model)
        other = hub.repository(alice)
        assert XetFile.objects.filter(policies.files_readable_in(model, alice)).exists()
        assert not XetFile.objects.filter(policies.files_readable_in(other, alice)).exists()


@pytest.mark.django_db
class TestRequireUpload:
    def test_is_for_who_may_propose_and_for_the_operator(
        self, alice: Principal, bob: Principal, model: Repository
    ) -> None:
        for actor in (SYSTEM, alice):
            policies.require_upload(actor, model)
        policies.require_upload(bob, hub.repository(alice))
        with pytest.raises(RepositoryNotFound):
            policies.require_upload(bob, model)
        with pytest.raises(Unauthenticated):
            policies.require_upload(ANONYMOUS, hub.repository(alice))
