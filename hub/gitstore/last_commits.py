"""The commit that last touched each entry of a folder, as `git log --first-parent -1 -- path` finds it.

The walk goes back by first parents and compares tree ids from the root down. If a folder has the same id in
a commit and in its parent, nothing below it has changed, and its tree is not read. So the cost follows
the commits that touched the folders asked about; all paths of one folder share the work.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import pygit2

from hub.gitstore.objects import find_commit

# (folder, commit, names) → the last commit of those names that are known already.
Recall = Callable[[str, str, Iterable[str]], Mapping[str, str]]

COMMITS_MAX = 20_000
SECONDS_MAX = 3.0
# Commits that touched a folder, for which the cache is asked, at most.
RECALLS_MAX = 4
# Above so many open names one diff of two trees is quicker than looking up each name.
LOOKUPS_MAX = 256


def nothing_known(_folder: str, _commit: str, _names: Iterable[str]) -> Mapping[str, str]:
    return {}


def parts_of(path: str) -> tuple[str, str]:
    """A path's folder and its name in it; the root has neither."""
    folder, _, name = path.rpartition("/")
    return folder, name


class LastCommits(NamedTuple):
    """`by_path`: path → commit id; a path that is missing, or was not decided in time, is left out.
    `touched`: folder → the newest commit that touched it, for the folders that the walk decided names of.
    """

    by_path: dict[str, str]
    touched: dict[str, str]


@dataclass(slots=True)
class _Folder:
    """A folder on the way to the paths asked about, at the commit where the walk is."""

    path: str
    names: dict[str, pygit2.Oid | None] = field(default_factory=dict)  # not decided yet → id of the entry
    below: dict[str, _Folder] = field(default_factory=dict)
    tree: pygit2.Oid | None = None
    recalls: int = 0

    @property
    def is_open(self) -> bool:
        return bool(self.names or self.below)

    def close_decided(self) -> None:
        for name in [name for name, folder in self.below.items() if not folder.is_open]:
            del self.below[name]


class _Walk:
    def __init__(self, raw: pygit2.Repository, recall: Recall) -> None:
        self.raw = raw
        self.recall = recall
        self.found = LastCommits({}, {})
        self.root = _Folder("")
        self.is_root_open = False

    def ask(self, start: pygit2.Commit, paths: Iterable[str]) -> None:
        """Take the paths in, leave out what is known already, and read where they are at the start."""
        by_folder: dict[str, dict[str, None]] = defaultdict(dict)
        for path in paths:
            if path:
                above, name = parts_of(path)
                by_folder[above][name] = None
            else:
                self.is_root_open = True
        for path, names in by_folder.items():
            folder = self._folder(path)
            folder.names.update(dict.fromkeys(names))
            self._recall(folder, str(start.id))
        self._prune(self.root)
        if self.root.is_open:
            self._enter(self.root, start.tree_id)

    def _folder(self, path: str) -> _Folder:
        folder, so_far = self.root, ""
        for part in path.split("/") if path else ():
            so_far = f"{so_far}/{part}" if so_far else part
            folder = folder.below.setdefault(part, _Folder(so_far))
        return folder

    def _prune(self, folder: _Folder) -> None:
        for below in folder.below.values():
            self._prune(below)
        folder.close_decided()

    def _recall(self, folder: _Folder, commit: str) -> None:
        if folder.recalls < RECALLS_MAX and folder.names:
            folder.recalls += 1
            for name, known in self.recall(folder.path, commit, folder.names).items():
                if name in folder.names:
                    self._decide(folder, name, known)

    def _decide(self, folder: _Folder, name: str, commit: str) -> None:
        del folder.names[name]
        self.found.by_path[f"{folder.path}/{name}" if folder.path else name] = commit

    def _tree(self, oid: pygit2.Oid | None) -> pygit2.Tree | None:
        """The tree of that id; None where there is none, and where the id is a file's."""
        found = self.raw.get(oid) if oid is not None else None
        return found if isinstance(found, pygit2.Tree) else None

    def _enter(self, folder: _Folder, oid: pygit2.Oid | None) -> None:
        folder.tree = oid
        tree = self._tree(oid)
        for name in list(folder.names):
            if (entry := _id_in(tree, name)) is None:
                del folder.names[name]
            else:
                folder.names[name] = entry
        for name, below in folder.below.items():
            self._enter(below, _id_in(tree, name))
        folder.close_decided()

    @property
    def is_open(self) -> bool:
        return self.is_root_open or self.root.is_open

    def step(self, commit: pygit2.Commit, parent: pygit2.Commit | None) -> None:
        """Decide what `commit` changed against its first parent (None: against nothing)."""
        before = parent.tree_id if parent is not None else None
        if before == commit.tree_id:
            return
        if self.is_root_open:
            self.found.by_path[""] = str(commit.id)
            self.is_root_open = False
        self._compare(self.root, before, str(commit.id))

    def _compare(self, folder: _Folder, before: pygit2.Oid | None, commit: str) -> None:
        """The folder's tree differs from the one before: find which of its open names do."""
        if folder.names:
            self.found.touched.setdefault(folder.path, commit)
            self._recall(folder, commit)
        if not folder.is_open:
            return
        tree = self._tree(before)
        for name in self._changed(folder, tree):
            self._decide(folder, name, commit)
        for name, below in folder.below.items():
            entry = _id_in(tree, name)
            if entry != below.tree:
                self._compare(below, entry, commit)
        folder.close_decided()
        folder.tree = before

    def _changed(self, folder: _Folder, tree: pygit2.Tree | None) -> list[str]:
        now = self._tree(folder.tree) if tree is not None and len(folder.names) > LOOKUPS_MAX else None
        if tree is None or now is None:
            return [name for name, oid in folder.names.items() if _id_in(tree, name) != oid]
        touched = {
            os.fsdecode(side.raw_path).partition("/")[0]
            for delta in tree.diff_to_tree(now).deltas
            for side in (delta.old_file, delta.new_file)
        }
        return [name for name in touched if name in folder.names]


def _id_in(tree: pygit2.Tree | None, name: str) -> pygit2.Oid | None:
    try:
        return tree[name].id if tree is not None else None
    except (KeyError, ValueError, pygit2.GitError):
        return None


def find(
    raw: pygit2.Repository,
    start: str,
    paths: Iterable[str],
    *,
    recall: Recall = nothing_known,
    commits_max: int = COMMITS_MAX,
    seconds_max: float = SECONDS_MAX,
) -> LastCommits:
    """For each path the newest commit, from `start` back, that changed it. Follows first parents.

    `recall` returns results of earlier walks; it is called at the start and at the first commits that touched
    a folder. The walk ends after `commits_max` commits or `seconds_max` seconds.
    """
    walk = _Walk(raw, recall)
    commit = find_commit(raw, start)
    if commit is None:
        return walk.found
    walk.ask(commit, paths)
    ends_at = time.monotonic() + seconds_max
    for _ in range(commits_max):
        if not walk.is_open or time.monotonic() > ends_at:
            break
        parent = find_commit(raw, commit.parent_ids[0]) if commit.parent_ids else None
        walk.step(commit, parent)
        if parent is None:
            break
        commit = parent
    return walk.found
