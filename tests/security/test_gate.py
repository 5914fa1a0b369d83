"""A gate, and an operator's closing, hold wherever bytes of files, their names or diffs could leave."""

from __future__ import annotations

import pytest
from django.test import Client

from hub.accounts.models import Role
from hub.accounts.principals import ANONYMOUS, SYSTEM, Principal
from hub.community.models import Discussion
from hub.community.selectors import discussions
from hub.gitstore import open_repository
from hub.repos import services as repos
from hub.repos.errors import RepositoryDisabled, RepositoryGated, RepositoryNameReserved
from hub.repos.models import AccessRequest, Repository
from hub.revisions import services as revisions
from hub.revisions.operations import AddBlob, DeleteFile
from hub.revisions.services import NewCommit
from tests.factories import hub as make
from tests.factories.hub import NOW

pytestmark = pytest.mark.django_db

SECRET = "canary-in-a-file"
NAME = "canary-file-name.txt"


@pytest.fixture
def owner() -> Principal:
    return make.actor("olga")


@pytest.fixture
def repository(owner: Principal) -> Repository:
    return make.repository(
        owner,
        "thing",
        gating="manual",
        files={
            NAME: f"{SECRET}\n".encode(),
            "config.json": b'{"model_type": "llama", "architectures": ["canary-in-config"]}',
        },
    )


@pytest.fixture
def proposal(owner: Principal, repository: Repository) -> Discussion:
    """A pull request that conflicts: it changes a file that the base then deletes."""
    blob = open_repository(repository.storage).write_blob(b"other\n")
    proposed = make.commit_as_pull_request(
        actor=owner,
        repository=repository,
        revision="main",
        request=NewCommit(operations=[AddBlob(NAME, blob, 6)], title=f"Upload {NAME}"),
        now=NOW,
    )
    revisions.commit(
        actor=owner,
        repository=repository,
        revision="main",
        request=NewCommit(operations=[DeleteFile(NAME)], title=f"Delete {NAME}"),
        now=NOW,
    )
    Discussion.objects.filter(pk=proposed.pull_request.pk).update(title="A change")
    return proposed.pull_request


ADDRESSES = (
    "/api/models/olga/thing/discussions/1",
    "/api/models/olga/thing/discussions/1?diff=1",
    "/api/models/olga/thing/commits/main",
    "/api/models/olga/thing?blobs=true",
    "/api/models/olga/thing?expand=siblings&expand=config",
    "/api/models?author=olga&full=true&expand=siblings&expand=config",
    "/api/models/olga/thing/revision/main",
    "/olga/thing",
    "/olga/thing/discussions/1",
    "/olga/thing/commits/main",
    "/olga/thing/tree/main",
    "/olga/thing/edit/main/README.md",
)


class TestGatedAndDisabledContent:
    @pytest.mark.usefixtures("proposal")
    def test_does_not_leave_by_any_of_these(self, client: Client, repository: Repository) -> None:
        for is_disabled in (False, True):
            make.set_disabled(repository, is_disabled=is_disabled)
            for address in ADDRESSES:
                body = client.get(address).content.decode()
                for canary in (SECRET, NAME, "canary-in-config"):
                    assert canary not in body.replace(address, ""), (address, is_disabled)

    @pytest.mark.usefixtures("proposal")
    def test_is_shown_to_admitted_users(self, client: Client, repository: Repository) -> None:
        reader = make.user("rita")
        AccessRequest.objects.create(
            repository=repository, user=reader, status=AccessRequest.Status.ACCEPTED, requested_at=NOW
        )
        headers = make.bearer(reader, "read")
        shown = client.get("/api/models/olga/thing/discussions/1?diff=1", headers=headers).json()
        assert SECRET in shown["diff"]
        assert shown["filesWithConflicts"] == [NAME]
        info = client.get("/api/models/olga/thing", headers=headers).json()
        assert info["config"]["architectures"] == ["canary-in-config"]

    def test_is_refused_by_every_selector_that_gives_it(
        self, repository: Repository, proposal: Discussion
    ) -> None:
        found = discussions.proposal_of(actor=SYSTEM, pull_request=proposal)
        assert found is not None
        for is_disabled, refusal in ((False, RepositoryGated), (True, RepositoryDisabled)):
            make.set_disabled(repository, is_disabled=is_disabled)
            proposal.repository.refresh_from_db()
            with pytest.raises(refusal):
                discussions.proposal_of(actor=ANONYMOUS, pull_request=proposal)
            with pytest.raises(refusal):
                discussions.diff_of(actor=ANONYMOUS, pull_request=proposal, proposal=found)


class TestDuplicating:
    def test_keeps_the_gate(self, client: Client, repository: Repository) -> None:
        mallory = make.actor("mallory")
        assert mallory.user is not None
        AccessRequest.objects.create(
            repository=repository, user=mallory.user, status=AccessRequest.Status.ACCEPTED, requested_at=NOW
        )
        copy = revisions.duplicate(
            actor=mallory, repository=repository, to="mallory/copy", visibility="public", now=NOW
        )
        assert copy.gating == "manual"
        assert client.get(f"/mallory/copy/resolve/main/{NAME}").status_code == 401


class TestFormerIds:
    def test_are_used_again_by_an_admin_alone(self, owner: Principal) -> None:
        """Else a contributor serves their own files to everybody who pins the old id."""
        assert owner.user is not None
        contributor = make.actor("carl")
        assert contributor.user is not None
        make.organization("orga", {owner.user: Role.ADMIN, contributor.user: Role.WRITE})
        repository = make.repository(owner, "weights", namespace="orga")
        repos.move_repository(actor=owner, repository=repository, to="orga/renamed")
        with pytest.raises(RepositoryNameReserved):
            make.repository(contributor, "weights", namespace="orga")
        assert make.repository(owner, "weights", namespace="orga").full_name == "orga/weights"
