from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from hub.accounts.principals import ANONYMOUS
from hub.lfs import links
from hub.lfs.models import LfsLink
from hub.repos.locking import lock_repository
from hub.repos.models import AccessRequest, Repository
from tests.factories import hub as factories
from tests.factories.hub import NOW
from tests.hub.lfs.helpers import oid_of, send

pytestmark = pytest.mark.django_db

DATA = b"weights of a secret model"
OID = oid_of(DATA)


class TestUsable:
    def test_names_what_the_repository_is_linked_to(self) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        send(repository, DATA)
        assert links.usable(repository.pk, alice, [OID, "0" * 64]) == {OID: len(DATA)}
        assert links.usable(repository.pk, None, [OID]) == {OID: len(DATA)}

    def test_names_what_the_actor_can_read_elsewhere(self) -> None:
        alice, bob = factories.actor(), factories.actor()
        send(factories.repository(alice), DATA)
        assert links.usable(factories.repository(bob).pk, bob, [OID]) == {OID: len(DATA)}

    def test_never_tells_of_a_hash_in_somebody_elses_private_repository(self) -> None:
        alice, mallory = factories.actor(), factories.actor()
        send(factories.repository(alice, visibility="private"), DATA)
        target = factories.repository(mallory)
        assert links.usable(target.pk, mallory, [OID]) == {}
        assert links.usable(target.pk, ANONYMOUS, [OID]) == {}
        assert links.usable(target.pk, None, [OID]) == {}

    def test_never_tells_of_a_hash_behind_a_gate(self) -> None:
        alice, bob = factories.actor(), factories.actor()
        gated = factories.repository(alice, gating="manual")
        send(gated, DATA)
        target = factories.repository(bob)
        assert links.usable(target.pk, bob, [OID]) == {}
        assert bob.user is not None
        AccessRequest.objects.create(repository=gated, user=bob.user, status="accepted")
        assert links.usable(target.pk, bob, [OID]) == {OID: len(DATA)}

    def test_does_not_count_a_deleted_repository(self) -> None:
        alice, bob = factories.actor(), factories.actor()
        gone = factories.repository(alice)
        send(gone, DATA)
        Repository.objects.filter(pk=gone.pk).update(deleted_at=NOW)
        assert links.usable(factories.repository(bob).pk, bob, [OID]) == {}

    def test_takes_more_hashes_than_a_statement_has_parameters(self) -> None:
        repository = factories.repository(factories.actor())
        send(repository, DATA)
        many = [f"{number:064x}" for number in range(2_000)]
        assert links.usable(repository.pk, None, [*many, OID]) == {OID: len(DATA)}


class TestLink:
    def test_marks_as_pushed_what_was_sent_before(self) -> None:
        repository = factories.repository(factories.actor())
        send(repository, DATA)
        later = NOW + timedelta(minutes=1)
        with transaction.atomic():
            assert links.link(lock_repository(repository.pk), [OID], later) == 0
        assert LfsLink.objects.get().pushed_at == later

    def test_adds_an_object_from_elsewhere_and_its_size_once(self) -> None:
        alice = factories.actor()
        send(factories.repository(alice), DATA)
        copy = factories.repository(alice)
        before = copy.size_bytes
        with transaction.atomic():
            assert links.link(lock_repository(copy.pk), [OID, OID], NOW) == len(DATA)
            assert links.link(lock_repository(copy.pk), [OID], NOW) == 0
        copy.refresh_from_db()
        assert copy.size_bytes == before + len(DATA)

    def test_takes_away_and_gives_the_size_back(self) -> None:
        repository = factories.repository(factories.actor())
        before = repository.size_bytes
        send(repository, DATA)
        with transaction.atomic():
            assert links.unlink(lock_repository(repository.pk), [OID]) == len(DATA)
        repository.refresh_from_db()
        assert repository.size_bytes == before
        assert not LfsLink.objects.exists()

    def test_copies_to_a_duplicate_what_commits_name(self) -> None:
        alice = factories.actor()
        source, target = factories.repository(alice), factories.repository(alice)
        send(source, DATA)
        send(source, b"never committed")
        with transaction.atomic():
            links.link(lock_repository(source.pk), [OID], NOW)
            assert links.copy(source, lock_repository(target.pk), NOW) == len(DATA)
        assert links.usable(target.pk, None, [OID]) == {OID: len(DATA)}
