"""The refs that a restored repository gets: never a commit without the rows of its large objects."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from bazaar.backups.restoring import _check_refs, _put_refs
from hub import gitstore
from hub.gitstore import Author
from hub.repos.models import Repository
from tests.factories import hub as factories
from tests.factories import ref_rows

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
DATA = b"bytes of which no row tells"
POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:" + hashlib.sha256(DATA).hexdigest().encode() + b"\nsize %d\n" % len(DATA)
)


@pytest.fixture
def repository() -> Repository:
    return factories.repository(factories.actor(), files={"README.md": b"words"})


def with_pointer(repository: Repository) -> str:
    """A commit in the repository's folder that names a large object without rows; no ref leads to it."""
    target = gitstore.open_repository(repository.storage).raw
    blob = target.create_blob(POINTER)
    builder = target.TreeBuilder()
    builder.insert("model.bin", blob, 0o100644)
    head = target[repository.head_sha]
    made = target.create_commit(None, head.author, head.author, "ahead", builder.write(), [head.id])
    return str(made)


class TestRefs:
    def test_are_those_of_the_backup_and_the_default_branch_is_the_rows(self, repository: Repository) -> None:
        ahead = with_pointer(repository)
        said = list(_put_refs(repository, {"refs/heads/main": ahead, "refs/tags/v1": repository.head_sha}))
        assert said == []
        assert ref_rows.all_of(repository) == {
            "refs/heads/main": repository.head_sha,
            "refs/tags/v1": repository.head_sha,
        }

    def test_ahead_of_the_rows_are_left_out_and_named(self, repository: Repository) -> None:
        ahead = with_pointer(repository)
        [said] = _put_refs(repository, {"refs/heads/side": ahead})
        assert "refs/heads/side" in said
        assert "1 large objects have no rows" in said
        assert "refs/heads/side" not in ref_rows.all_of(repository)

    def test_of_annotated_tags_hold_the_tag_again(self, repository: Repository) -> None:
        git = gitstore.open_repository(repository.storage)
        author = Author("Ada", "ada@example.org")
        tag = git.write_tag(name="v1", target=repository.head_sha, message="One", author=author, at=NOON)
        assert list(_put_refs(repository, {"refs/tags/v1": tag})) == []
        assert ref_rows.held_by(repository, "refs/tags/v1") == tag
        assert ref_rows.commit_of(repository, "refs/tags/v1") == repository.head_sha

    def test_to_objects_that_are_not_there_are_named(self, repository: Repository) -> None:
        [said] = _put_refs(repository, {"refs/heads/side": "ab" * 20})
        assert "is damaged" in said

    @pytest.mark.parametrize("is_apart", [False, True], ids=["one machine", "several nodes"])
    def test_to_damaged_objects_are_named(
        self, repository: Repository, settings: Settings, tmp_path: Path, is_apart: bool
    ) -> None:
        """The restore goes on: the market would not be halted otherwise, nor the secrets put back."""
        if is_apart:
            settings.GIT_FRONT_DIR = tmp_path / "fronts"
        ref_rows.damage_tree(repository, repository.head_sha)
        [said] = _check_refs(repository)
        assert f"refs/heads/main at {repository.head_sha[:12]} is damaged" in said
        [said] = _put_refs(repository, {})
        assert f"refs/heads/main at {repository.head_sha[:12]} is damaged" in said

    def test_of_a_repository_without_a_folder_are_named(self, repository: Repository) -> None:
        gitstore.delete_repository(repository.storage)
        [said] = _put_refs(repository, {})
        assert said.endswith("its git repository is not in the backup")
