from __future__ import annotations

import subprocess
import uuid

from hub import gitstore
from hub.gitstore import Author, Ref, bulk, folder_of
from tests.factories.hub import NOW

FILES = {".gitattributes": b"*.bin filter=lfs\n", "README.md": "# 通义\n".encode() * 999, "empty": b""}
ADA = Author(name="Ada", email="ada@example.org")


class TestWriteRepository:
    def test_makes_a_repository_that_git_and_the_hub_read(self) -> None:
        storage = uuid.uuid4().hex
        for _ in range(2):
            made = bulk.write_repository(
                storage, default_branch="main", files=FILES, message="first\n", author=ADA, at=NOW
            )
        folder = folder_of(storage)
        checked = subprocess.run(
            ["git", "-C", folder, "-c", "safe.directory=*", "fsck", "--full", "--strict"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (checked.returncode, checked.stderr) == (0, "")
        git = gitstore.open_repository(storage)
        assert git.refs_in_files() == [Ref("refs/heads/main", made.commit, made.commit)]
        assert list(git.entries(made.commit)) == list(made.entries(made.commit))
        assert {entry.path: git.read(entry.oid) for entry in git.entries(made.commit)} == FILES
        assert {entry.path: made.read(entry.oid) for entry in made.entries(made.commit)} == FILES

    def test_takes_new_commits_on_top(self) -> None:
        storage = uuid.uuid4().hex
        made = bulk.write_repository(
            storage, default_branch="main", files=FILES, message="first\n", author=ADA, at=NOW
        )
        git = gitstore.open_repository(storage)
        tree = git.write_tree(made.commit, {"new": (git.write_blob(b"x"), 0o100644)})
        second = git.write_commit(tree=tree, parents=[made.commit], message="second", author=ADA, at=NOW)
        assert len(list(git.history(second))) == 2
