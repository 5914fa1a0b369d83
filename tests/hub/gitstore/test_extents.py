"""The extent of a tree (its files when unfolded) is counted by its tree objects, however large it is."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pygit2
import pytest

from hub.gitstore.extents import Extent, ExtentReader, TooLarge
from hub.gitstore.paths import PATH_BYTES_MAX, SEGMENTS_MAX
from hub.gitstore.trees import entry_of

FILE, FOLDER = 0o100644, 0o040000
BLOB = b"\1" * 20


class Trees:
    """Tree objects in memory, and how often each was read."""

    def __init__(self) -> None:
        self.stored: dict[bytes, bytes] = {}
        self.reads: Counter[bytes] = Counter()

    def add(self, *entries: tuple[bytes, int, bytes]) -> bytes:
        data = b"".join(entry_of(*entry) for entry in entries)
        oid = hashlib.sha256(data).digest()[:20]
        self.stored[oid] = data
        return oid

    def read(self, oid: bytes) -> bytes | None:
        self.reads[oid] += 1
        return self.stored.get(oid)

    def chain(self, levels: int, *, wide: int, name: bytes = b"d") -> bytes:
        """A folder of `wide` files; above it, level by level, folders that hold the last one `wide` times."""
        tree = self.add(*((b"f%d" % number, FILE, BLOB) for number in range(wide)))
        for _ in range(levels):
            tree = self.add(*((b"%b%d" % (name, number), FOLDER, tree) for number in range(wide)))
        return tree


@pytest.fixture
def trees() -> Trees:
    return Trees()


class TestExtentReader:
    def test_counts_what_a_listing_would_give(self, trees: Trees, tmp_path: Path) -> None:
        raw = pygit2.init_repository(str(tmp_path / "some.git"), bare=True)
        blob = raw.create_blob(b"x")
        index = pygit2.Index()
        paths = ["a", "b/c", "b/d/文.txt", "b/d/f", "z/y"]
        for path in paths:
            index.add(pygit2.IndexEntry(path, blob, pygit2.enums.FileMode.BLOB))
        tree = index.write_tree(raw)
        everything = [path.encode() for path in [*paths, "b", "b/d", "z"]]
        found = ExtentReader(lambda oid: raw.odb.read(pygit2.Oid(raw=oid))[1], 100).extent_of(tree.raw)
        assert found == Extent(
            entries=len(everything),
            path_bytes=sum(map(len, everything)),
            depth=3,
            longest=max(map(len, everything)),
        )

    @pytest.mark.parametrize("levels", [1, 5, 50, 200])
    def test_reads_each_tree_object_once(self, trees: Trees, levels: int) -> None:
        tree = trees.chain(levels, wide=10)
        try:
            found = ExtentReader(trees.read, 10**300).extent_of(tree)
        except TooLarge:
            pytest.fail("the limit is far away")
        assert found.entries == sum(10**level for level in range(1, levels + 2))
        assert trees.reads == dict.fromkeys(trees.stored, 1)

    def test_stops_at_the_first_tree_beyond_the_limit(self, trees: Trees) -> None:
        tree = trees.chain(200, wide=10)
        with pytest.raises(TooLarge):
            ExtentReader(trees.read, 10_000).extent_of(tree)

    @pytest.mark.parametrize("mode", [0o040000, 0o040755, 0o047777])
    def test_counts_folders_by_any_of_their_modes(self, trees: Trees, mode: int) -> None:
        below = trees.chain(0, wide=10)
        assert ExtentReader(trees.read, 100).extent_of(trees.add((b"d", mode, below))).entries == 11

    def test_knows_trees_that_it_has_read(self, trees: Trees) -> None:
        below = trees.chain(3, wide=3)
        reader = ExtentReader(trees.read, 1_000)
        first = reader.extent_of(trees.add((b"one", FOLDER, below)))
        second = reader.extent_of(trees.add((b"two", FOLDER, below), (b"file", FILE, BLOB)))
        assert second.entries == first.entries + 1
        assert max(trees.reads.values()) == 1

    @pytest.mark.parametrize(("levels", "is_taken"), [(SEGMENTS_MAX - 1, True), (SEGMENTS_MAX, False)])
    def test_takes_paths_as_deep_as_the_hub_does(self, trees: Trees, levels: int, is_taken: bool) -> None:
        tree = trees.chain(levels, wide=1)
        reader = ExtentReader(trees.read, 10_000)
        if is_taken:
            assert reader.extent_of(tree).depth == SEGMENTS_MAX
        else:
            with pytest.raises(TooLarge):
                reader.extent_of(tree)

    def test_refuses_depth_whatever_is_measured_first(self, trees: Trees) -> None:
        reader = ExtentReader(trees.read, 10_000)
        tree = trees.chain(0, wide=1)
        for _ in range(SEGMENTS_MAX - 1):
            tree = trees.add((b"d", FOLDER, tree))
            reader.extent_of(tree)
        with pytest.raises(TooLarge):
            reader.extent_of(trees.add((b"d", FOLDER, tree)))

    def test_does_not_recurse_into_the_depth_of_a_hostile_tree(self, trees: Trees) -> None:
        tree = trees.chain(100_000, wide=1)
        with pytest.raises(TooLarge):
            ExtentReader(trees.read, 10**9).extent_of(tree)

    def test_refuses_a_path_longer_than_the_hub_takes(self, trees: Trees) -> None:
        levels = PATH_BYTES_MAX // 250 + 1
        with pytest.raises(TooLarge):
            ExtentReader(trees.read, 10_000).extent_of(trees.chain(levels, wide=1, name=b"n" * 250))

    def test_refuses_few_entries_with_very_long_paths(self, trees: Trees) -> None:
        """1,000 files below 10 folders with names of 250 bytes would be 2.5 MB of paths."""
        tree = trees.add(*((b"f%d" % number, FILE, BLOB) for number in range(1000)))
        for _ in range(10):
            tree = trees.add((b"n" * 250, FOLDER, tree))
        with pytest.raises(TooLarge):
            ExtentReader(trees.read, 2_000).extent_of(tree)

    def test_takes_a_tree_that_is_missing_for_empty(self, trees: Trees) -> None:
        tree = trees.add((b"gone", FOLDER, b"\2" * 20), (b"module", 0o160000, b"\3" * 20))
        assert ExtentReader(trees.read, 10).extent_of(tree).entries == 2
