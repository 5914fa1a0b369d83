"""Two nodes serve one folder of repositories, each with refs in a folder of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from hub import gitstore
from hub.accounts.principals import Principal
from hub.gitstore import RefUpdate, fronts, serving
from hub.repos.models import Repository
from hub.revisions import jobs, ref_copies, services
from tests.factories import hub as make
from tests.factories import ref_rows
from tests.hub.community.pushing import request_of, send
from tests.hub.revisions.test_commits import blob, commit
from tests.hub.revisions.test_pushes import next_commit

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Principal:
    return make.actor("alice")


@pytest.fixture
def repo(alice: Principal) -> Repository:
    return make.repository(alice, "model")


class Node:
    """This process, as if it were one of several nodes."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self.folder = settings, folder

    def listed(self, repo: Repository) -> dict[str, str]:
        """The refs that a fetch from this node finds."""
        self.settings.GIT_FRONT_DIR = self.folder
        fresh = Repository.objects.get(pk=repo.pk)
        ref_copies.publish_here(fresh)
        said = serving.advertise(fresh.storage, "git-upload-pack", protocol="")
        lines = [line[4:].split(b"\0")[0].strip() for line in said.split(b"\n")]
        words = [line.decode().split(" ") for line in lines if b" refs/" in line]
        return {name: oid[-40:] for oid, name in words}

    def push(self, path: Path, actor: Principal, repo: Repository, update: RefUpdate) -> list[str]:
        self.settings.GIT_FRONT_DIR = self.folder
        return send(path, actor, Repository.objects.get(pk=repo.pk), request_of(update))[1:]


@pytest.fixture
def one(settings: Settings, tmp_path: Path) -> Node:
    return Node(settings, tmp_path / "one")


@pytest.fixture
def two(settings: Settings, tmp_path: Path) -> Node:
    return Node(settings, tmp_path / "two")


class TestFronts:
    def test_have_at_once_what_another_node_acknowledged(
        self, alice: Principal, repo: Repository, one: Node, two: Node, tmp_path: Path
    ) -> None:
        head = repo.head_sha
        assert one.listed(repo) == two.listed(repo) == {"refs/heads/main": head}
        head = commit(alice, repo, blob(repo, "a")).oid
        assert one.listed(repo) == two.listed(repo) == {"refs/heads/main": head}
        pushed = RefUpdate("refs/heads/main", head, next_commit(repo, head, "pushed"))
        assert one.push(tmp_path / "body", alice, repo, pushed) == ["ok refs/heads/main"]
        assert two.listed(repo) == {"refs/heads/main": pushed.new}
        services.create_tag(actor=alice, repository=repo, name="v1", revision="main", now=make.NOW)
        assert one.listed(repo).keys() == two.listed(repo).keys() == {"refs/heads/main", "refs/tags/v1"}

    def test_that_are_old_move_no_ref_from_where_it_was(
        self, alice: Principal, repo: Repository, one: Node, two: Node, tmp_path: Path
    ) -> None:
        head = one.listed(repo)["refs/heads/main"]
        first, second = next_commit(repo, head, "first"), next_commit(repo, head, "second")
        old = (fronts.front_of(repo.storage) / "packed-refs").read_bytes()
        assert two.push(tmp_path / "1", alice, repo, RefUpdate("refs/heads/main", head, first)) == [
            "ok refs/heads/main"
        ]
        # A crash, or a clock, or a copied folder: the front says what was.
        one.settings.GIT_FRONT_DIR = one.folder
        (fronts.front_of(repo.storage) / "packed-refs").write_bytes(old)
        assert one.push(tmp_path / "2", alice, repo, RefUpdate("refs/heads/main", head, second)) == [
            "ng refs/heads/main moved meanwhile, fetch first"
        ]
        assert ref_rows.main_of(repo) == first == one.listed(repo)["refs/heads/main"]

    def test_hold_no_objects_and_may_be_deleted_at_any_time(
        self, repo: Repository, one: Node, alice: Principal, tmp_path: Path
    ) -> None:
        before = one.listed(repo)
        commit(alice, repo, blob(repo, "a"))
        assert not list(one.folder.rglob("objects"))
        shutil.rmtree(one.folder)
        assert one.listed(repo) != before
        assert not list(one.folder.rglob("objects"))

    def test_of_a_repository_without_objects_are_not_made(self, repo: Repository, one: Node) -> None:
        gitstore.delete_repository(repo.storage)
        with pytest.raises(FileNotFoundError):
            one.listed(repo)
        assert not one.folder.exists()

    def test_leave_the_folder_of_the_repository_to_the_periodic_task(
        self, alice: Principal, repo: Repository, one: Node
    ) -> None:
        """So git alone can read every repository, and make lost rows again."""
        head = commit(alice, repo, blob(repo, "a")).oid
        one.listed(repo)
        shared = gitstore.folder_of(repo.storage) / "packed-refs"
        assert head not in shared.read_text()
        jobs.catch_up(now=make.NOW)
        assert head in shared.read_text()
