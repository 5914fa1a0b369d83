"""Trees that a commit changes: they are what git would make, and many of them cost little."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pygit2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.gitstore import packs
from hub.gitstore.errors import InvalidPath, TooManyFolders
from hub.gitstore.trees import FOLDERS_MAX, LOOSE_MAX, TreeWriter, data_of, entries_of, entry_of, plan

FILE = 0o100644
NAMES = st.sampled_from(["a", "a.b", "a-b", "a0", "b", "B", "文", "z" * 40])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@pytest.fixture
def raw(tmp_path: Path) -> pygit2.Repository:
    return pygit2.init_repository(str(tmp_path / "some.git"), bare=True)


def tree_of(raw: pygit2.Repository, oid: bytes) -> pygit2.Tree:
    tree = raw[pygit2.Oid(raw=oid)]
    assert isinstance(tree, pygit2.Tree)
    return tree


def files_in(tree: pygit2.Tree, prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in tree:
        if isinstance(entry, pygit2.Tree):
            found |= files_in(entry, f"{prefix}{entry.name}/")
        else:
            found[f"{prefix}{entry.name}"] = str(entry.id)
    return found


def fsck(raw: pygit2.Repository) -> None:
    subprocess.run(
        ["git", "--git-dir", raw.path, "fsck", "--strict", "--no-dangling"], check=True, capture_output=True
    )


Changes = dict[str, tuple[str, int] | None]


def write(raw: pygit2.Repository, tree: pygit2.Tree | None, changes: Changes) -> bytes | None:
    writer = TreeWriter(raw)
    written = writer.edit(tree, plan(changes))
    writer.store()
    return written


class TestTrees:
    @given(steps=st.lists(st.dictionaries(PATHS, st.booleans(), max_size=6), min_size=1, max_size=5))
    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_are_those_of_git_whatever_changes(
        self, raw: pygit2.Repository, steps: list[dict[str, bool]]
    ) -> None:
        """Compared with git's own index, which is given the same changes."""
        blob = str(raw.create_blob(b"content"))
        tree: pygit2.Tree | None = None
        index = pygit2.Index()
        for step in steps:
            changes: Changes = {path: (blob, FILE) if comes else None for path, comes in step.items()}
            try:
                written = write(raw, tree, changes)
            except InvalidPath:
                # A name was to be a file and a folder at once: nothing has changed.
                continue
            tree = tree_of(raw, written) if written is not None else None
            index = pygit2.Index()
            for path, oid in (files_in(tree) if tree is not None else {}).items():
                index.add(pygit2.IndexEntry(path, pygit2.Oid(hex=oid), FILE))
            for path, comes in step.items():
                there = tree is not None and path in tree and not isinstance(tree[path], pygit2.Tree)
                assert there or not comes
            if tree is not None:
                assert str(index.write_tree(raw)) == str(tree.id)

    def test_keep_what_they_do_not_change(self, raw: pygit2.Repository) -> None:
        blob = raw.create_blob(b"content")
        raw_id = bytes(blob.raw)
        odd = {b"caf\xe9": entry_of(b"caf\xe9", FILE, raw_id), b"old": entry_of(b"old", 0o100664, raw_id)}
        oid = raw.odb.write(pygit2.enums.ObjectType.TREE, data_of(odd))
        written = write(raw, tree_of(raw, bytes(oid.raw)), {"new": (str(blob), FILE)})
        assert written is not None
        assert entries_of(tree_of(raw, written).read_raw()) == odd | {b"new": entry_of(b"new", FILE, raw_id)}

    @pytest.mark.parametrize("name", [".git", ".GIT", "..", ".", "", "a\0b"])
    def test_refuse_names_that_git_does_not_take(self, raw: pygit2.Repository, name: str) -> None:
        blob = str(raw.create_blob(b"content"))
        for path in (name, f"{name}/a", f"a/{name}"):
            with pytest.raises(InvalidPath):
                write(raw, None, {path: (blob, FILE)})

    def test_refuse_content_that_is_not_there(self, raw: pygit2.Repository) -> None:
        with pytest.raises(InvalidPath, match="not in the repository"):
            write(raw, None, {"a": ("ab" * 20, FILE)})


class TestMany:
    def test_become_one_pack(self, raw: pygit2.Repository) -> None:
        blob = str(raw.create_blob(b"content"))
        changes: Changes = {f"{n % 10}/{n}/file{n}": (blob, FILE) for n in range(FOLDERS_MAX - 11)}
        written = write(raw, None, changes)
        assert written is not None
        objects = Path(raw.path) / "objects"
        assert sorted(path.suffix for path in (objects / "pack").iterdir()) == [".idx", ".pack"]
        # The blob is the only object of its own.
        assert len(list(objects.glob("??/*"))) == 1
        assert len(files_in(tree_of(raw, written))) == len(changes)
        author = pygit2.Signature("a", "a@example.org", 1, 0)
        raw.create_commit("refs/heads/main", author, author, "m", pygit2.Oid(raw=written), [])
        fsck(raw)
        # Another reader, which has looked before, finds them too.
        later = write(
            raw, tree_of(raw, written), {f"{n % 10}/{n}/file{n}": None for n in range(LOOSE_MAX + 5)}
        )
        assert later is not None
        assert len(files_in(tree_of(pygit2.Repository(raw.path), later))) == len(changes) - LOOSE_MAX - 5

    def test_are_limited(self) -> None:
        with pytest.raises(TooManyFolders):
            plan({f"{n}/file": None for n in range(FOLDERS_MAX)})

    def test_leave_nothing_behind_when_the_disk_is_full(
        self, raw: pygit2.Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_number: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        data = data_of({b"a": entry_of(b"a", FILE, bytes(20))})
        with pytest.raises(OSError, match="No space"):
            packs.add(Path(raw.path), {packs.object_id(packs.TREE, data): (packs.TREE, data)})
        assert not list((Path(raw.path) / "objects" / "pack").iterdir())
