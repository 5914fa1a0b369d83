"""Reading the objects of one bare repository."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import cast

import pygit2
from pygit2.enums import FileMode, ObjectType, SortMode

from foundation import hex_digits, spans
from hub.gitstore import diffs, fronts, last_commits, late_objects, names, rewriting, writing
from hub.gitstore.errors import EntryNotFound, FolderNotVisible, ObjectNotVisible, RevisionNotFound
from hub.gitstore.folders import folder_of
from hub.gitstore.objects import commit_behind, commit_named, find_commit
from hub.gitstore.values import (
    POINTER_SIZE_MAX,
    POINTER_SIZE_MIN,
    Author,
    Commit,
    Entry,
    Kind,
    Pointer,
    Ref,
    TreeItem,
)

SHORT_SHA = re.compile(hex_digits.pattern("7,39"))
KINDS: dict[int, Kind] = {
    ObjectType.BLOB: "file",
    ObjectType.TREE: "directory",
    ObjectType.COMMIT: "submodule",
}
OPEN_PER_THREAD = 64
# The end of the year 9998: the last year of the calendar is left for time zones.
SECONDS_MAX = 253_370_764_799
_local = threading.local()


def open_repository(storage: str) -> GitRepository:
    """The repository with that storage key. Handles are kept per thread: libgit2's are not shared.

    Raises: FileNotFoundError when there is none; FolderNotVisible where another node may have made it.
    """
    try:
        return _handle_of(storage)
    except FileNotFoundError:
        if not fronts.is_apart():
            raise
    for _ in range(late_objects.LOOKS - 1):
        time.sleep(late_objects.PAUSE_SECONDS)
        with contextlib.suppress(FileNotFoundError):
            return _handle_of(storage)
    raise FolderNotVisible(retry_after_s=1)


def _handle_of(storage: str) -> GitRepository:
    handles: OrderedDict[str, GitRepository] | None = getattr(_local, "handles", None)
    if handles is None:
        handles = _local.handles = OrderedDict()
    # Packing replaces packs, and a handle that was opened before would look for the old ones. One
    # `stat` tells: 2 microseconds, where opening takes 100. It fails where there is no repository.
    handle = handles.get(storage)
    if handle is not None and handle.packs_changed_at == handle.packs.stat().st_mtime_ns:
        handles.move_to_end(storage)
        return handle
    folder = folder_of(storage)
    packs = folder / "objects" / "pack"
    changed_at = packs.stat().st_mtime_ns
    with spans.span("git.open"):
        raw = pygit2.Repository(str(folder))
        if fronts.is_apart():
            raw.odb.add_backend(late_objects.LateObjects(folder / "objects"), late_objects.PRIORITY)
        handle = handles[storage] = GitRepository(raw, packs, changed_at)
    handles.move_to_end(storage)
    if len(handles) > OPEN_PER_THREAD:
        handles.popitem(last=False)[1].raw.free()
    return handle


def _signature_time(signature: pygit2.Signature) -> datetime:
    """The time of a signature, which git takes far beyond the calendar that Python and databases have."""
    return datetime.fromtimestamp(min(max(signature.time, 0), SECONDS_MAX), UTC)


class GitRepository(writing.WritingMixin, diffs.DiffMixin, rewriting.HistoryMixin):
    """One bare repository. Everything takes ids of objects; its refs are rows (`hub.revisions.refs`)."""

    def __init__(self, raw: pygit2.Repository, packs: Path, packs_changed_at: int) -> None:
        self.raw = raw
        self.packs, self.packs_changed_at = packs, packs_changed_at

    # ---- ids and refs ----------------------------------------------------------------------------

    def commit_by_id(self, digits: str) -> str:
        """The commit id that begins with these digits: all 40, or at least 7. Raises: RevisionNotFound."""
        found = None
        # An object that no node has is not waited for by the caller again.
        with contextlib.suppress(ObjectNotVisible):
            found = self._commit_of(digits)
        if found is None:
            raise RevisionNotFound(revision=digits[:200])
        return str(found.id)

    def _commit_of(self, digits: str) -> pygit2.Commit | None:
        if hex_digits.SHA1.fullmatch(digits):
            return find_commit(self.raw, digits)
        if SHORT_SHA.fullmatch(digits):
            with contextlib.suppress(ValueError, KeyError):
                return find_commit(self.raw, self.raw.expand_id(digits))
        return None

    def commit_behind(self, oid: str) -> str | None:
        """The commit that an object is, or leads to as an annotated tag; None if there is none."""
        return commit_behind(self.raw, oid)

    def refs_in_files(self) -> list[Ref]:
        """The refs in git's own files, sorted by name; those that lead to no commit are left out.

        Those to an object that is missing or damaged are among them, so that they are not lost.
        The files are a copy, which may be old: `hub.revisions.refs` has the refs.
        """
        found = []
        for name in self.raw.references:
            with contextlib.suppress(KeyError, ValueError, pygit2.GitError):
                held = str(self.raw.lookup_reference(name).resolve().target)
                if (target := commit_named(self.raw, held)) is not None:
                    found.append(Ref(name=name, target=target, held=held))
        return sorted(found, key=lambda ref: ref.name)

    # ---- commits ---------------------------------------------------------------------------------

    def commit(self, oid: str) -> Commit:
        """Raises: RevisionNotFound."""
        found = find_commit(self.raw, oid)
        if found is None:
            raise RevisionNotFound(revision=oid)
        return self._commit(found)

    @staticmethod
    def _commit(raw: pygit2.Commit) -> Commit:
        return Commit(
            oid=str(raw.id),
            tree=str(raw.tree_id),
            parents=tuple(map(str, raw.parent_ids)),
            message=raw.message,
            author=Author(name=raw.author.name, email=raw.author.email),
            at=_signature_time(raw.committer),
        )

    def history(self, start: str, *, skip: int = 0) -> Iterator[Commit]:
        """Commits from `start` back, newest first, as `git log` has them; the first `skip` are left out.

        The walk stops when the caller stops: other orders need the whole history for the first commit.
        """
        return map(self._commit, islice(self.raw.walk(pygit2.Oid(hex=start), SortMode.NONE), skip, None))

    def count_commits(self, start: str, *, limit: int) -> int | None:
        """The number of commits from `start` back; None if there are more than `limit`."""
        walked = islice(self.raw.walk(pygit2.Oid(hex=start), SortMode.NONE), limit + 1)
        count = sum(1 for _ in walked)
        return count if count <= limit else None

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        return ancestor == descendant or self.raw.descendant_of(descendant, ancestor)

    def merge_base(self, one: str, two: str) -> str | None:
        base = self.raw.merge_base(one, two)
        return str(base) if base else None

    # ---- trees -----------------------------------------------------------------------------------

    def entry(self, commit: str, path: str) -> Entry:
        """The file or folder at `path`. Raises: EntryNotFound."""
        tree = self._tree(commit)
        if not path:
            return Entry(path="", kind="directory", oid=str(tree.id), mode=FileMode.TREE)
        try:
            found = names.find(tree, path)
        except (KeyError, ValueError, pygit2.GitError):
            raise EntryNotFound(path=path) from None
        return self.entry_of(found, path)

    def entry_of(self, found: pygit2.Object, path: str) -> Entry:
        """The entry of a file or folder that was found at a path below the root."""
        return self.sized(self._item(found, path))

    def find_entry(self, commit: str, path: str) -> Entry | None:
        try:
            return self.entry(commit, path)
        except EntryNotFound:
            return None

    def entries(self, commit: str, path: str = "", *, recursive: bool = False) -> Iterator[Entry]:
        """The entries of a folder, sorted by name; depth first, a folder before its content.

        Reads the header of every file. Raises: EntryNotFound when `path` is missing or a file.
        """
        return map(self.sized, self.items(commit, path, recursive=recursive))

    def items(self, commit: str, path: str = "", *, recursive: bool = False) -> Iterator[TreeItem]:
        """As `entries`, without sizes: reads the trees alone. Raises: EntryNotFound."""
        tree = self._tree(commit)
        if path:
            try:
                found = names.find(tree, path)
            except (KeyError, ValueError, pygit2.GitError):
                raise EntryNotFound(path=path) from None
            if not isinstance(found, pygit2.Tree):
                raise EntryNotFound(path=path)
            tree = found
        return self._walk(tree, f"{path}/" if path else "", recursive=recursive)

    def _walk(self, tree: pygit2.Tree, prefix: str, *, recursive: bool) -> Iterator[TreeItem]:
        for item in tree:
            raw_name = item.raw_name
            assert raw_name is not None
            found = self._item(item, prefix + names.shown(raw_name))
            yield found
            if recursive and found.kind == "directory":
                yield from self._walk(cast(pygit2.Tree, item), f"{found.path}/", recursive=True)

    @staticmethod
    def _item(item: pygit2.Object, path: str) -> TreeItem:
        return TreeItem(path=path, kind=KINDS[item.type], oid=str(item.id), mode=int(item.filemode))

    def sized(self, item: TreeItem) -> Entry:
        """The entry behind a line of a tree: a file's size is in its header, a pointer in its content."""
        if item.kind != "file":
            return Entry(path=item.path, kind=item.kind, oid=item.oid, mode=item.mode)
        _, size = self.raw.odb.read_header(item.oid)
        pointer = None
        if POINTER_SIZE_MIN < size <= POINTER_SIZE_MAX and item.mode != FileMode.LINK:
            pointer = Pointer.parse(cast(pygit2.Blob, self.raw[item.oid]).data)
        return Entry(path=item.path, kind="file", oid=item.oid, size=size, mode=item.mode, pointer=pointer)

    def _tree(self, commit: str) -> pygit2.Tree:
        found = find_commit(self.raw, commit)
        if found is None:
            raise RevisionNotFound(revision=commit)
        return found.tree

    # ---- blobs -----------------------------------------------------------------------------------

    def read(self, oid: str) -> bytes:
        """A blob's bytes. Raises: EntryNotFound."""
        found = self.raw.get(oid)
        if not isinstance(found, pygit2.Blob):
            raise EntryNotFound(path=oid)
        return found.data

    def stream(self, oid: str, *, chunk: int = 1 << 16) -> Iterator[bytes]:
        """A blob's bytes in pieces, for blobs that need not fit in memory twice."""
        found = self.raw.get(oid)
        if not isinstance(found, pygit2.Blob):
            raise EntryNotFound(path=oid)
        view = memoryview(found)
        for start in range(0, len(view), chunk):
            yield bytes(view[start : start + chunk])

    # ---- who touched what last -------------------------------------------------------------------

    def last_commits(
        self,
        start: str,
        paths: Iterable[str],
        *,
        recall: last_commits.Recall = last_commits.nothing_known,
        commits_max: int = last_commits.COMMITS_MAX,
    ) -> last_commits.LastCommits:
        """For each path the newest commit, from `start` back, that changed it (see `last_commits.find`)."""
        return last_commits.find(self.raw, start, paths, recall=recall, commits_max=commits_max)
