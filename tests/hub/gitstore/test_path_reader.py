"""Many paths of one commit are found as one is, and each folder on the way is opened once."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pygit2
import pytest
from pygit2.enums import FileMode, ObjectType

from hub.gitstore import EntryNotFound, RevisionNotFound
from hub.gitstore.path_reader import PathReader
from hub.gitstore.repository import GitRepository

SIGNATURE = pygit2.Signature("ada", "ada@example.org", 1_700_000_000, 0)
MANY = 400


@pytest.fixture
def git(tmp_path: Path) -> GitRepository:
    raw = pygit2.init_repository(tmp_path / "r.git", bare=True)
    return GitRepository(raw, tmp_path, 0)


def commit_of(git: GitRepository, tree: pygit2.Oid) -> str:
    return str(git.raw.create_commit(None, SIGNATURE, SIGNATURE, "m", tree, []))


def tree_of(git: GitRepository, entries: dict[str, tuple[pygit2.Oid, FileMode]]) -> pygit2.Oid:
    """A tree as git writes it; names may be other bytes than UTF-8."""
    lines = []
    for name, (oid, mode) in entries.items():
        raw = os.fsencode(name)
        order = raw + b"/" if mode == FileMode.TREE else raw
        lines.append((order, b"%o %s\0%s" % (mode, raw, oid.raw)))
    return git.raw.write(ObjectType.TREE, b"".join(line for _, line in sorted(lines)))


def deep(git: GitRepository, depth: int) -> str:
    """A commit whose folders d/d/d… hold `MANY` files each."""
    blob = git.raw.create_blob(b"x")
    files = {f"f{number:04}": (blob, FileMode.BLOB) for number in range(MANY)}
    tree = tree_of(git, files)
    for _ in range(depth):
        tree = tree_of(git, {**files, "d": (tree, FileMode.TREE)})
    return commit_of(git, tree)


class TestPathReader:
    def test_finds_what_a_single_look_up_finds(self, git: GitRepository) -> None:
        blob, link = git.raw.create_blob(b"x"), git.raw.create_blob(b"a")
        odd = "one-\udce9.txt"
        inner = tree_of(git, {"a": (blob, FileMode.BLOB), odd: (blob, FileMode.BLOB)})
        root = tree_of(
            git,
            {
                "a": (blob, FileMode.BLOB_EXECUTABLE),
                "l": (link, FileMode.LINK),
                "d": (inner, FileMode.TREE),
                "folder-\udce9": (inner, FileMode.TREE),
                "b\\..\\c": (blob, FileMode.BLOB),
            },
        )
        commit = commit_of(git, root)
        paths = [
            "",
            "a",
            "l",
            "d",
            "d/a",
            "d/one-\ufffd.txt",
            "folder-\ufffd/one-\ufffd.txt",
            "b\\..\\c",
            "d/b",
        ]
        paths += ["a/a", "l/a", "e/a", "/a", "a/", "d//a", ".", "..", "d/../a", "\ufffd", "\udce9", "d/a/b/c"]
        random.Random(5).shuffle(paths)
        reader = PathReader(git, commit)
        for path in (*paths, *paths):
            assert reader.find(path) == git.find_entry(commit, path), path
        assert sum(reader.find(path) is not None for path in paths) == 8
        assert reader.find("a\0b") is None
        with pytest.raises(EntryNotFound):
            reader.get("d/b")

    def test_refuses_what_is_no_commit(self, git: GitRepository) -> None:
        with pytest.raises(RevisionNotFound):
            PathReader(git, "0" * 40)

    def test_opens_each_folder_once(self, git: GitRepository) -> None:
        """The paths of a deep folder cost its depth together, not each."""
        depth = 50
        commit = deep(git, depth)
        reader = PathReader(git, commit)
        paths = ["d/" * depth + f"f{number:04}" for number in range(MANY)]
        assert all(reader.find(path) for path in paths)
        opened, folder = 0, reader._root
        while (below := folder.below.get("d")) is not None:
            assert len(folder.below) == 1
            opened, folder = opened + 1, below
        assert opened == depth
        assert folder.below == {}
