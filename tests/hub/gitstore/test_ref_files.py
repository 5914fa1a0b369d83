"""The copy of refs in `packed-refs`: git reads it, and its version says of which rows it is."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from hub import gitstore
from hub.gitstore import Author, Ref, ref_files
from tests.factories.hub import NOW

ADA = Author("Ada", "ada@example.org")


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.GIT_ROOT = tmp_path
    key = uuid.uuid4().hex
    gitstore.create_repository(
        key, default_branch="main", files={"a": b"a"}, message="first\n", author=ADA, at=NOW
    )
    return gitstore.folder_of(key)


@pytest.fixture
def head(folder: Path) -> str:
    return gitstore.open_repository(folder.stem).refs_in_files()[0].target


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=True)
    return done.stdout


class TestWrite:
    def test_is_read_by_git_and_by_libgit2(self, folder: Path, head: str) -> None:
        repo = gitstore.open_repository(folder.stem)
        tag = repo.write_tag(name="v1", target=head, message="one", author=ADA, at=NOW)
        refs = [
            Ref("refs/tags/v1", head, tag),
            Ref("refs/heads/main", head, head),
            Ref("refs/heads/é/x", head, head),
            Ref("refs/heads/main-2", head, head),
            Ref("refs/pr/1", head, head),
        ]
        ref_files.write(folder, refs, version=2**63 - 1)
        assert ref_files.version_of(folder) == 2**63 - 1
        assert repo.refs_in_files() == sorted(refs, key=lambda ref: ref.name)
        listed = git(folder, "-c", "core.quotePath=false", "show-ref", "--dereference").splitlines()
        assert sorted(listed) == sorted(
            [*(f"{ref.held} {ref.name}" for ref in refs), f"{head} refs/tags/v1^{{}}"]
        )
        assert git(folder, "fsck", "--strict", "--no-dangling") == ""

    def test_wins_over_files_of_single_refs_and_their_locks(self, folder: Path, head: str) -> None:
        """Earlier releases wrote them; git prefers them to packed-refs."""
        for name in ("heads/main", "heads/a/b/c", "pr/7", "heads/main.lock"):
            (folder / "refs" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "refs" / name).write_text(f"{head}\n")
        ref_files.write(folder, [Ref("refs/heads/other", head, head)], version=5)
        assert git(folder, "show-ref") == f"{head} refs/heads/other\n"
        assert [path.name for path in (folder / "refs").rglob("*")] == ["heads", "tags"]

    def test_without_refs_leaves_a_repository_that_git_takes(self, folder: Path) -> None:
        ref_files.write(folder, [], version=3)
        assert git(folder, "for-each-ref") == ""

    def test_of_a_process_that_is_killed_between_its_steps_is_found_to_be_old(
        self, folder: Path, head: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "refs/heads/main").write_text(f"{'0' * 39}1\n")

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(ref_files, "_delete", killed)
        with pytest.raises(KeyboardInterrupt):
            ref_files.write(folder, [Ref("refs/heads/main", head, head)], version=9)
        assert ref_files.version_of(folder) == 0


class TestVersionOf:
    @pytest.mark.parametrize(
        "text",
        ["", "# pack-refs with: peeled fully-peeled sorted \n", "# pack-refs with: bazaar=1", "x" * 500],
    )
    def test_is_none_where_the_hub_did_not_write_the_file(self, folder: Path, text: str) -> None:
        (folder / "packed-refs").write_text(text)
        assert ref_files.version_of(folder) == 0

    def test_is_none_after_git_wrote_the_file(self, folder: Path, head: str) -> None:
        ref_files.write(folder, [Ref("refs/heads/main", head, head)], version=9)
        git(folder, "update-ref", "refs/heads/by-hand", head)
        git(folder, "pack-refs", "--all")
        assert ref_files.version_of(folder) == 0

    def test_is_none_without_a_file(self, folder: Path) -> None:
        (folder / "packed-refs").unlink()
        assert ref_files.version_of(folder) == 0
