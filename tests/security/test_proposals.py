"""Bytes that somebody proposes to a repository of others count against the proposer until they are merged."""

from __future__ import annotations

import io

import pytest
from pytest_django.fixtures import Settings

from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.community.models import Discussion
from hub.community.services import pull_requests
from hub.gitstore import open_repository
from hub.lfs import services as lfs
from hub.lfs.models import LfsLink
from hub.repos import quotas
from hub.repos.errors import ProposalsFull, StorageQuotaExceeded
from hub.repos.models import ProposedBytes, Repository
from hub.revisions import services as revisions
from hub.revisions.operations import AddBlob, AddLfs
from hub.revisions.services import NewCommit
from tests.factories import hub as make
from tests.factories.hub import NOW
from tests.hub.lfs.helpers import grant, oid_of

pytestmark = pytest.mark.django_db
LARGE = b"0123456789" * 300
SMALL = b"small\n" * 50


@pytest.fixture
def owner() -> Principal:
    return make.actor("olga")


@pytest.fixture
def mallory() -> Principal:
    return make.actor("mallory")


@pytest.fixture
def repository(owner: Principal) -> Repository:
    return make.repository(owner, "thing")


def used(repository: Repository) -> int:
    repository.refresh_from_db()
    return repository.size_bytes


def send(repository: Repository, user: User | None, data: bytes = LARGE) -> None:
    assert user is not None
    given = grant(repository, data, user_id=user.pk)
    lfs.receive_object(grant=given, read=io.BytesIO(data).read, now=NOW)


def propose(actor: Principal, repository: Repository) -> Discussion:
    blob = open_repository(repository.storage).write_blob(SMALL)
    operations = [AddLfs("large.bin", oid_of(LARGE), len(LARGE)), AddBlob("small.txt", blob, len(SMALL))]
    return make.commit_as_pull_request(
        actor=actor,
        repository=repository,
        revision="main",
        request=NewCommit(operations=operations, title="Add files"),
        now=NOW,
    ).pull_request


class TestBytesOfAStranger:
    def test_counts_against_the_stranger(self, mallory: Principal, repository: Repository) -> None:
        assert mallory.user is not None
        before = used(repository)
        send(repository, mallory.user)
        assert used(repository) == before
        assert quotas.proposed_bytes(mallory.user) == len(LARGE)
        assert quotas.storage_used_bytes(mallory.user.namespace) == len(LARGE)
        propose(mallory, repository)
        assert used(repository) == before
        assert quotas.proposed_bytes(mallory.user) == len(LARGE) + len(SMALL)

    def test_is_the_owners_once_it_is_merged(
        self, owner: Principal, mallory: Principal, repository: Repository
    ) -> None:
        assert mallory.user is not None
        before = used(repository)
        send(repository, mallory.user)
        pull_requests.merge(actor=owner, pull_request=propose(mallory, repository), now=NOW)
        assert used(repository) == before + len(LARGE) + len(SMALL)
        assert quotas.proposed_bytes(mallory.user) == 0
        assert not ProposedBytes.objects.exists()

    def test_is_the_owners_once_a_commit_of_a_writer_names_it(
        self, owner: Principal, mallory: Principal, repository: Repository
    ) -> None:
        assert mallory.user is not None
        before = used(repository)
        send(repository, mallory.user)
        request = NewCommit(operations=[AddLfs("mine.bin", oid_of(LARGE), len(LARGE))], title="Take it")
        revisions.commit(actor=owner, repository=repository, revision="main", request=request, now=NOW)
        assert used(repository) == before + len(LARGE)
        assert quotas.proposed_bytes(mallory.user) == 0

    def test_never_fills_the_owners_quota(
        self, owner: Principal, mallory: Principal, repository: Repository, settings: Settings
    ) -> None:
        assert owner.user is not None
        send(repository, mallory.user)
        owner.user.namespace.storage_quota_bytes = used(repository) + len(SMALL)
        owner.user.namespace.save()
        blob = open_repository(repository.storage).write_blob(SMALL)
        request = NewCommit(operations=[AddBlob("own.txt", blob, len(SMALL))], title="Own work")
        revisions.commit(actor=owner, repository=repository, revision="main", request=request, now=NOW)

    def test_is_not_merged_where_the_owner_has_no_room(
        self, owner: Principal, mallory: Principal, repository: Repository
    ) -> None:
        assert owner.user is not None
        send(repository, mallory.user)
        proposal = propose(mallory, repository)
        owner.user.namespace.storage_quota_bytes = used(repository) + 1
        owner.user.namespace.save()
        proposal.repository.namespace.refresh_from_db()
        with pytest.raises(StorageQuotaExceeded):
            pull_requests.merge(actor=owner, pull_request=proposal, now=NOW)
        assert LfsLink.objects.exclude(proposer=None).count() == 1

    def test_has_a_limit_over_all_repositories(
        self, mallory: Principal, repository: Repository, settings: Settings
    ) -> None:
        settings.PROPOSED_BYTES_MAX = len(LARGE) + 10
        send(repository, mallory.user)
        other = make.repository(make.actor("bob"), "other")
        with pytest.raises(ProposalsFull):
            send(other, mallory.user, b"x" * 11)
        with pytest.raises(ProposalsFull):
            lfs.negotiate_upload(
                actor=mallory,
                repository=other,
                wanted=[lfs.NamedObject(oid_of(b"x" * 11), 11)],
                in_parts=False,
                now=NOW,
            )
        send(other, mallory.user, b"x" * 10)

    def test_needs_room_in_the_strangers_own_quota(self, mallory: Principal, repository: Repository) -> None:
        assert mallory.user is not None
        mallory.user.namespace.storage_quota_bytes = len(LARGE) - 1
        mallory.user.namespace.save()
        with pytest.raises(StorageQuotaExceeded):
            send(repository, mallory.user)

    def test_of_a_writer_counts_against_the_owner(self, owner: Principal, repository: Repository) -> None:
        before = used(repository)
        send(repository, owner.user)
        assert used(repository) == before + len(LARGE)
