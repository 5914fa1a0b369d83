"""The target of a commit, and the number of look-ups for it."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from hub.accounts.principals import Principal
from hub.community.errors import DiscussionDenied
from hub.community.models import Discussion, Status
from hub.community.services import Branch, NewPullRequest, PullRequest, Target, discussions, open_target
from hub.gitstore import RevisionNotFound
from hub.repos import policies
from hub.repos.errors import RepositoryDenied
from hub.repos.models import Repository
from hub.revisions import refs
from hub.revisions.services import NewCommit
from tests.factories import hub as make
from tests.factories import ref_rows
from tests.hub.revisions.test_commits import blob

pytestmark = pytest.mark.django_db


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The number of times that a request looks a ref up, and asks for a role."""
    counts: Counter[str] = Counter()
    commit_of, has_role = refs.commit_of, policies.has_role

    def counted_commit(repository: Repository, name: str) -> str | None:
        counts[name] += 1
        return commit_of(repository, name)

    def counted_role(*args: Any) -> bool:
        counts["roles"] += 1
        return has_role(*args)

    monkeypatch.setattr(refs, "commit_of", counted_commit)
    monkeypatch.setattr(policies, "has_role", counted_role)
    return counts


@dataclass
class Scene:
    """Alice's repository, with an open pull request of Bob's."""

    alice: Principal
    bob: Principal
    repo: Repository
    headers: dict[str, str]


@pytest.fixture
def scene() -> Scene:
    alice, bob = make.actor("alice"), make.actor("bob")
    repo = make.repository(alice, "model")
    request = NewCommit(operations=[blob(repo, "proposed.txt")], title="A proposal")
    make.commit_as_pull_request(actor=bob, repository=repo, revision="main", request=request, now=make.NOW)
    assert alice.user is not None
    return Scene(alice, bob, repo, make.bearer(alice.user))


class TestLookUps:
    """A ref is read when the request needs its head, and again when the commit is made."""

    @pytest.mark.parametrize("revision", ["main", "refs%2Fpr%2F1"])
    def test_of_a_commit_are_few(
        self, client: Client, scene: Scene, counted: Counter[str], revision: str
    ) -> None:
        content = base64.b64encode(b"a").decode()
        lines = [
            {"key": "header", "value": {"summary": "m"}},
            {"key": "file", "value": {"path": "a.txt", "encoding": "base64", "content": content}},
        ]
        counted.clear()
        with CaptureQueriesContext(connection) as captured:
            answer = client.post(
                f"/api/models/alice/model/commit/{revision}",
                "\n".join(json.dumps(line) for line in lines),
                content_type="application/x-ndjson",
                headers=scene.headers,
                RAW_URI=f"/api/models/alice/model/commit/{revision}",
            )
        assert answer.status_code == 200
        # Roles are asked for the actor, and under the lock for the actor again and for the payer; a pull
        # request also asks for the payer of the staged files. The roles come with
        # the token, and are read once more under the lock.
        # The row of the repository knows its default branch; each attempt of a commit looks the ref up again.
        looked_up = {"main": ("refs/heads/main", 1), "refs%2Fpr%2F1": ("refs/pr/1", 2)}
        ref, times = looked_up[revision]
        assert counted[ref] == times
        assert counted["roles"] == (3 if revision == "main" else 4)
        read = [each["sql"] for each in captured if 'FROM "accounts_membership"' in each["sql"]]
        assert len(read) == 1, read

    def test_of_a_preupload_are_one(self, client: Client, scene: Scene, counted: Counter[str]) -> None:
        counted.clear()
        answer = client.post(
            "/api/models/alice/model/preupload/main",
            {"files": [{"path": "a", "size": 1}]},
            content_type="application/json",
            headers=scene.headers,
        )
        assert answer.status_code == 200
        assert (counted["refs/heads/main"], counted["roles"]) == (0, 1)


class TestTarget:
    def opened(self, actor: Principal, scene: Scene, revision: str, *, is_new: bool = False) -> Target:
        return open_target(actor=actor, repository=scene.repo, revision=revision, is_new_pull_request=is_new)

    @pytest.mark.parametrize(
        ("revision", "is_new", "kind", "ref"),
        [
            ("main", False, Branch, "refs/heads/main"),
            ("refs/heads/main", False, Branch, "refs/heads/main"),
            ("refs/pr/1", False, PullRequest, "refs/pr/1"),
            ("main", True, NewPullRequest, "refs/heads/main"),
        ],
    )
    def test_is_one_of_three(
        self, scene: Scene, revision: str, is_new: bool, kind: type[Target], ref: str
    ) -> None:
        target = self.opened(scene.alice, scene, revision, is_new=is_new)
        assert type(target) is kind
        assert target.head.ref == ref

    def test_asks_the_policy_of_its_kind(self, scene: Scene) -> None:
        with pytest.raises(RepositoryDenied):
            self.opened(scene.bob, scene, "main")
        assert self.opened(scene.bob, scene, "refs/pr/1").proposer == scene.bob.user
        assert self.opened(scene.bob, scene, "main", is_new=True).proposer == scene.bob.user
        with pytest.raises(DiscussionDenied):
            self.opened(make.actor("carol"), scene, "refs/pr/1")
        assert self.opened(scene.alice, scene, "main").proposer is None

    @pytest.mark.parametrize("revision", ["refs/pr/01", "refs/pr/x", "refs/tags/v1", "none"])
    def test_has_no_head_where_no_commit_may_go(self, scene: Scene, revision: str) -> None:
        with pytest.raises(RevisionNotFound):
            _ = self.opened(scene.alice, scene, revision).head

    @pytest.mark.parametrize("revision", ["refs/pr/1", "refs/tags/v1"])
    def test_proposes_against_branches_alone(self, scene: Scene, revision: str) -> None:
        with pytest.raises(RevisionNotFound):
            _ = self.opened(scene.alice, scene, revision, is_new=True).head


class TestFinished:
    """No dialect puts commits on a pull request that is closed."""

    def commits(self, client: Client, scene: Scene) -> Iterator[int]:
        content = base64.b64encode(b"a").decode()
        header, value = {"key": "header", "value": {"summary": "m"}}, {"path": "a.txt", "content": content}
        lines = f"{json.dumps(header)}\n{json.dumps({'key': 'file', 'value': value})}"
        bodies: dict[str, Any] = {
            "/api/models/alice/model/commit/refs%2Fpr%2F1": lines,
            "/api/v1/models/alice/model/commit/refs%2Fpr%2F1": {
                "message": "m",
                "files": [{"action": "create", "path": "a.txt", "content": content}],
            },
            "/modelscope/api/v1/repos/models/alice/model/commit/refs%2Fpr%2F1": {
                "actions": [{"action": "create", "path": "a.txt", "type": "normal", "content": content}]
            },
        }
        for path, body in bodies.items():
            yield client.post(
                path, body, content_type="application/json", headers=scene.headers, RAW_URI=path
            ).status_code
        client.force_login(scene.alice.user)
        file = SimpleUploadedFile("a.txt", b"a")
        yield client.post("/alice/model/upload/refs%2Fpr%2F1", {"files": file}).status_code

    def test_takes_no_commit_from_any_dialect(self, client: Client, scene: Scene) -> None:
        discussion = Discussion.objects.get(repository=scene.repo, number=1)
        before = ref_rows.commit_of(scene.repo, "refs/pr/1")
        discussions.change_status(
            actor=scene.alice, discussion=discussion, status=Status.CLOSED, now=make.NOW
        )
        for status in self.commits(client, scene):
            assert 400 <= status < 500
        assert ref_rows.commit_of(scene.repo, "refs/pr/1") == before
