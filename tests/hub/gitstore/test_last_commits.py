from __future__ import annotations

import random
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import pygit2
import pytest
from pygit2.enums import FileMode

from hub.gitstore import last_commits

SIGNATURE = pygit2.Signature("alice", "alice@example.org", 1_700_000_000, 0)
Files = dict[str, bytes]


class CountingRepository:
    """A repository that counts the objects that are read by their id."""

    def __init__(self, raw: pygit2.Repository) -> None:
        self.raw = raw
        self.reads = 0

    def get(self, oid: Any) -> Any:
        self.reads += 1
        return self.raw.get(oid)


@pytest.fixture
def raw(tmp_path: Path) -> pygit2.Repository:
    return pygit2.init_repository(str(tmp_path / "r.git"), bare=True)


def write_tree(raw: pygit2.Repository, files: Mapping[str, bytes]) -> pygit2.Oid:
    builder = raw.TreeBuilder()
    below: dict[str, Files] = {}
    for path, data in files.items():
        name, _, rest = path.partition("/")
        if rest:
            below.setdefault(name, {})[rest] = data
        else:
            builder.insert(name, raw.create_blob(data), FileMode.BLOB)
    for name, held in below.items():
        builder.insert(name, write_tree(raw, held), FileMode.TREE)
    return builder.write()


def commit(raw: pygit2.Repository, files: Mapping[str, bytes], *parents: str) -> str:
    oids: list[pygit2.Oid | str] = [pygit2.Oid(hex=parent) for parent in parents]
    return str(raw.create_commit(None, SIGNATURE, SIGNATURE, "c", write_tree(raw, files), oids))


def by_git(raw: pygit2.Repository, start: str, path: str) -> str:
    command = ["git", "-C", raw.path, "log", "--first-parent", "-1", "--format=%H", start, "--", path]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def all_paths(files: Iterable[str]) -> set[str]:
    """Every file, and every folder above one."""
    found = set(files)
    for path in list(found):
        while path := path.rpartition("/")[0]:
            found.add(path)
    return found


def random_history(raw: pygit2.Repository, chance: random.Random, length: int) -> tuple[str, Files]:
    """Files come, change, go, and become folders and back; some commits are merges, some change nothing."""
    names = ["a", "b", "a/x", "a/y", "d/e/f", "d/e/g", "d/h", "z"]
    files: Files = {"README.md": b"0"}
    head = commit(raw, files)
    for number in range(length):
        for path in chance.sample(names, chance.randint(0, 3)):
            if path in files and chance.random() < 0.4:
                del files[path]
            else:
                clear = {held for held in files if held.startswith(f"{path}/") or path.startswith(f"{held}/")}
                files = {held: data for held, data in files.items() if held not in clear}
                files[path] = b"%d" % chance.randint(0, 3)
        parents = [head]
        if chance.random() < 0.2:
            parents.append(commit(raw, {**files, "side": b"%d" % number}, head))
        head = commit(raw, files, *parents)
    return head, files


class TestFind:
    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("lookups_max", [0, 256])
    def test_answers_as_git_log_does(
        self, raw: pygit2.Repository, seed: int, lookups_max: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(last_commits, "LOOKUPS_MAX", lookups_max)
        head, files = random_history(raw, random.Random(seed), 25)
        paths = all_paths(files)
        found = last_commits.find(raw, head, paths).by_path
        assert found == {path: by_git(raw, head, path) for path in paths}

    def test_leaves_out_what_is_missing(self, raw: pygit2.Repository) -> None:
        head = commit(raw, {"a": b"1"}, commit(raw, {"a": b"0", "gone": b""}))
        assert set(last_commits.find(raw, head, ["a", "gone", "no/such", "a/below"]).by_path) == {"a"}

    def test_knows_when_the_root_changed(self, raw: pygit2.Repository) -> None:
        first = commit(raw, {"a": b"1"})
        head = commit(raw, {"a": b"1"}, first)
        assert last_commits.find(raw, head, [""]).by_path == {"": first}

    def test_leaves_out_what_it_did_not_decide(self, raw: pygit2.Repository) -> None:
        head = commit(raw, {"a": b"1", "b": b"1"}, commit(raw, {"b": b"1"}))
        assert last_commits.find(raw, head, ["a", "b"], commits_max=1).by_path == {"a": head}
        assert last_commits.find(raw, head, ["a", "b"], seconds_max=-1).by_path == {}

    def test_reads_two_objects_for_a_commit_that_touched_another_folder(self, raw: pygit2.Repository) -> None:
        """The reads do not depend on the folder: the commit, and the root's tree."""
        data = {f"data/{number}": b"%d" % number for number in range(300)}
        head = commit(raw, {**data, "README.md": b""})
        for number in range(50):
            head = commit(raw, {**data, "README.md": b"%d" % number}, head)
        counting = CountingRepository(raw)
        found = last_commits.find(cast(pygit2.Repository, counting), head, [*data, "data"])
        assert len(found.by_path) == 301
        assert counting.reads <= 2 * 50 + 10

    def test_reads_no_tree_of_a_commit_that_changed_nothing(self, raw: pygit2.Repository) -> None:
        head = commit(raw, {"a": b""})
        for _ in range(50):
            head = commit(raw, {"a": b""}, head)
        counting = CountingRepository(raw)
        last_commits.find(cast(pygit2.Repository, counting), head, ["a"])
        assert counting.reads <= 50 + 5

    def test_ends_where_earlier_answers_tell_the_rest(self, raw: pygit2.Repository) -> None:
        first = commit(raw, {"d/a": b"1", "d/b": b"1"})
        for number in range(20):
            first = commit(raw, {"d/a": b"1", "d/b": b"1", "x": b"%d" % number}, first)
        touched = commit(raw, {"d/a": b"2", "d/b": b"1"}, first)
        head = commit(raw, {"d/a": b"3", "d/b": b"1"}, touched)

        def recall(folder: str, at: str, names: Iterable[str]) -> Mapping[str, str]:
            return {"a": touched, "b": "earlier"} if (folder, at) == ("d", touched) else {}

        counting = CountingRepository(raw)
        found = last_commits.find(cast(pygit2.Repository, counting), head, ["d/a", "d/b"], recall=recall)
        assert found.by_path == {"d/a": head, "d/b": "earlier"}
        assert found.touched == {"d": head}
        assert counting.reads < 12
