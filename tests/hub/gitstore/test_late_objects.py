"""Objects of another node that come into sight a moment later, or never."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from hub import gitstore
from hub.accounts.principals import Principal
from hub.gitstore import late_objects
from hub.gitstore.errors import ObjectNotVisible
from hub.repos.models import Repository
from hub.revisions import reading, selectors
from tests.factories import hub as make
from tests.hub.revisions.test_commits import blob, commit

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Principal:
    return make.actor("alice")


@pytest.fixture
def repo(alice: Principal, settings: Settings, tmp_path: Path) -> Iterator[Repository]:
    made = make.repository(alice, "model", files={"a.txt": b"a"})
    settings.GIT_FRONT_DIR = tmp_path / "fronts"
    gitstore.repository._local.handles.clear()
    yield made
    gitstore.repository._local.handles.clear()


@pytest.fixture
def hidden(repo: Repository, tmp_path: Path) -> tuple[Path, Path]:
    """The objects of the repository, which this node does not see, and the place where it sees them."""
    objects = gitstore.folder_of(repo.storage) / "objects"
    selectors.git_of(repo)
    aside = tmp_path / "aside"
    shutil.copytree(objects, aside)
    for path in objects.glob("??"):
        shutil.rmtree(path)
    for path in objects.glob("pack/*"):
        path.unlink()
    gitstore.repository._local.handles.clear()
    return aside, objects


def come_into_sight(monkeypatch: pytest.MonkeyPatch, hidden: tuple[Path, Path], *, at: int) -> list[int]:
    """The objects appear during the pause of this number; gives the numbers of the pauses."""
    pauses: list[int] = []

    def pause(_seconds: float) -> None:
        pauses.append(len(pauses) + 1)
        if len(pauses) == at:
            shutil.copytree(*hidden, dirs_exist_ok=True)

    monkeypatch.setattr(late_objects.time, "sleep", pause)
    return pauses


class TestLateObjects:
    @pytest.mark.parametrize("at", [1, 2])
    def test_are_waited_for_by_every_way_of_reading(
        self,
        alice: Principal,
        repo: Repository,
        hidden: tuple[Path, Path],
        monkeypatch: pytest.MonkeyPatch,
        at: int,
    ) -> None:
        pauses = come_into_sight(monkeypatch, hidden, at=at)
        assert reading.get_commit(repo, repo.head_sha).oid == repo.head_sha
        assert pauses == [1, 2][:at]
        assert selectors.get_file(actor=alice, repository=repo, commit=repo.head_sha, path="a.txt").size == 1

    def test_are_waited_for_by_a_commit_on_top_of_them(
        self, alice: Principal, repo: Repository, hidden: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        come_into_sight(monkeypatch, hidden, at=1)
        git = selectors.git_of(repo)
        assert {item.path for item in git.items(repo.head_sha)} == {".gitattributes", "a.txt"}
        before = repo.head_sha
        assert commit(alice, repo, blob(repo, "b.txt")).old == before

    def test_that_stay_away_are_a_503_in_every_dialect(
        self, repo: Repository, hidden: tuple[Path, Path], client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(late_objects.time, "sleep", lambda _: None)
        for path in (
            "/alice/model/resolve/main/a.txt",
            f"/alice/model/resolve/{repo.head_sha}/a.txt",
            "/api/models/alice/model/tree/main",
            "/api/models/alice/model/commits/main",
            "/alice/model/tree/main",
            "/alice/model.git/info/refs?service=git-upload-pack",
        ):
            answer = client.get(path)
            assert answer.status_code == 503, path
            assert answer.headers["Retry-After"] == "1", path

    def test_do_not_delay_new_objects(
        self, repo: Repository, hidden: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pauses = come_into_sight(monkeypatch, hidden, at=0)
        selectors.git_of(repo).write_blob(b"new")
        assert pauses == []

    def test_of_an_unknown_commit_are_not_found(
        self, repo: Repository, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(late_objects.time, "sleep", lambda _: None)
        assert client.get(f"/alice/model/resolve/{'ab' * 20}/a.txt").status_code == 404
        assert client.get("/alice/model/resolve/abcdef1/a.txt").status_code == 404


def test_a_repository_of_another_node_is_waited_for(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_objects.time, "sleep", lambda _: None)
    with pytest.raises(ObjectNotVisible):
        gitstore.open_repository("ab" * 16)
