from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest
from django.core.cache import cache
from pytest_django.fixtures import Settings

from foundation.redis_connection import connection
from hub.accounts.principals import Principal
from hub.gitstore import GitRepository
from hub.repos.models import Repository
from hub.revisions import last_commits, selectors, services
from hub.revisions.operations import AddBlob
from hub.revisions.services import NewCommit
from tests.factories import hub as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Principal:
    return make.actor("alice")


@pytest.fixture
def repo(alice: Principal) -> Repository:
    return make.repository(alice, "model", files={"README.md": b"# one\n", "sub__x": b"1"})


def put(actor: Principal, repo: Repository, title: str, **files: bytes) -> str:
    git = selectors.git_of(repo)
    operations = [
        AddBlob(path=name.replace("__", "/"), blob=git.write_blob(data), size=len(data))
        for name, data in files.items()
    ]
    request = NewCommit(operations=operations, title=title)
    return services.commit(actor=actor, repository=repo, revision="main", request=request, now=make.NOW).oid


class Walks:
    """Counts the commits that the walks have read."""

    def __init__(self) -> None:
        self.steps = 0


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> Walks:
    from hub.gitstore import last_commits as walking

    counted, step = Walks(), walking._Walk.step

    def counting(self: walking._Walk, *args: object) -> None:
        counted.steps += 1
        step(self, *args)

    monkeypatch.setattr(walking._Walk, "step", counting)
    return counted


class TestOfPaths:
    def test_is_computed_once_for_a_commit(self, alice: Principal, repo: Repository, walks: Walks) -> None:
        head = put(alice, repo, "two", d__a=b"1", d__b=b"1")
        assert last_commits.of_paths(repo, head, ["d/a", "d/b"]) == {"d/a": head, "d/b": head}
        seen = walks.steps
        assert last_commits.of_paths(repo, head, ["d/b", "d/a"]) == {"d/a": head, "d/b": head}
        assert (seen, walks.steps) == (1, 1)

    def test_goes_back_only_to_what_is_known(self, alice: Principal, repo: Repository, walks: Walks) -> None:
        old = put(alice, repo, "two", d__a=b"1", d__b=b"1")
        for number in range(5):
            head = put(alice, repo, "other", other=b"%d" % number)
        last_commits.of_paths(repo, head, ["d/a", "d/b"])
        assert walks.steps == 6
        head = put(alice, repo, "three", d__a=b"2")
        assert last_commits.of_paths(repo, head, ["d/a", "d/b"]) == {"d/a": head, "d/b": old}
        later = put(alice, repo, "other", other=b"")
        steps = walks.steps
        assert last_commits.of_paths(repo, later, ["d/a", "d/b"]) == {"d/a": head, "d/b": old}
        assert walks.steps - steps == 2

    def test_knows_a_folder_apart_from_another_with_the_same_tree(
        self, alice: Principal, repo: Repository
    ) -> None:
        """A tree id says nothing about who put it there."""
        first = put(alice, repo, "one", a__x=b"1")
        second = put(alice, repo, "copy", b__x=b"1")
        git = selectors.git_of(repo)
        assert git.entry(second, "a").oid == git.entry(second, "b").oid
        assert last_commits.of_paths(repo, second, ["a/x"]) == {"a/x": first}
        assert last_commits.of_paths(repo, second, ["b/x"]) == {"b/x": second}

    def test_knows_a_tree_that_came_back_by_its_later_history(
        self, alice: Principal, repo: Repository
    ) -> None:
        first = put(alice, repo, "one", a__x=b"1")
        assert last_commits.of_paths(repo, first, ["a/x"]) == {"a/x": first}
        put(alice, repo, "two", a__x=b"2")
        back = put(alice, repo, "back", a__x=b"1")
        assert last_commits.of_paths(repo, back, ["a/x"]) == {"a/x": back}
        assert last_commits.of_paths(repo, first, ["a/x"]) == {"a/x": first}

    def test_keeps_no_more_than_its_slots(
        self, alice: Principal, repo: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Folders that share a slot replace each other, and each answer stays right."""
        monkeypatch.setattr(last_commits, "SLOTS", 1)
        head = put(alice, repo, "many", a__x=b"1", b__x=b"1", c__x=b"1")
        for _ in range(2):
            paths = ["a/x", "b/x", "c/x", "README.md"]
            assert {oid for path, oid in last_commits.of_paths(repo, head, paths).items() if "/" in path} == {
                head
            }
        assert 0 < connection().ttl(cache.make_key("last-commits:0")) <= last_commits.KEPT_SECONDS

    def test_keeps_no_answer_that_is_too_long(
        self, alice: Principal, repo: Repository, walks: Walks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(last_commits, "BYTES_MAX", 10)
        head = put(alice, repo, "two", d__a=b"1")
        for _ in range(2):
            assert last_commits.of_paths(repo, head, ["d/a"]) == {"d/a": head}
        assert walks.steps == 2

    def test_works_without_redis(
        self, alice: Principal, repo: Repository, settings: Settings, tmp_path: Path
    ) -> None:
        head = put(alice, repo, "two", d__a=b"1")
        settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
        assert last_commits.of_paths(repo, head, ["d/a"]) == {"d/a": head}


class TestReads:
    def test_a_page_of_a_large_folder_reads_the_headers_of_its_own_rows(
        self, alice: Principal, repo: Repository, client: object, settings: Settings
    ) -> None:
        from django.test import Client

        put(alice, repo, "many", **{f"many__{number:04}": b"%d" % number for number in range(400)})
        sized: list[str] = []
        read = GitRepository.sized

        def counting(self: GitRepository, item: object) -> object:
            sized.append(item.path)  # type: ignore[attr-defined]
            return read(self, item)

        with mock.patch.object(GitRepository, "sized", counting):
            page = Client().get(f"/{repo.full_name}/tree/main/many?page=2")
            assert page.status_code == 200
            assert sum(path.startswith("many/") for path in sized) == 100
            sized.clear()
            listed = Client().get(
                f"/api/models/{repo.full_name}/tree/main/many?expand=true&limit=50&cursor=100"
            )
            assert [row["lastCommit"]["title"] for row in listed.json()] == ["many"] * 50
            assert len(sized) <= 51
