"""Tree objects: what they hold, and the ones that a commit changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pygit2
from pygit2.enums import FileMode, ObjectType

from hub.gitstore import names, packs
from hub.gitstore.errors import InvalidPath, TooManyFolders
from hub.gitstore.paths import require_depth

Blob = tuple[str, int]
# By name, each entry as the tree object holds it: `mode SP name NUL`, then 20 bytes of an id.
Entries = dict[bytes, bytes]
FOLDERS_MAX = 10_000
# So many trees are written one by one, each with a sync of its own; if there are more, they become a pack.
LOOSE_MAX = 16
# Objects in memory that wait to be written.
HELD_BYTES_MAX = 32 << 20
_ENTRY = re.compile(rb"([0-7]+ ([^\0]+)\0.{20})", re.DOTALL)
_REFUSED = frozenset({b"", b".", b"..", b".git"})


@dataclass(slots=True)
class TreeEdit:
    """The change of one name: a blob (oid, mode) is set or removed, or entries below it change."""

    blob: Blob | None = None
    deletes: bool = False
    below: dict[str, TreeEdit] = field(default_factory=dict)


def plan(changes: Mapping[str, Blob | None]) -> TreeEdit:
    """Arrange full paths → (blob oid, mode) or None (delete) as a tree.

    Raises: InvalidPath, TooManyFolders.
    """
    root = TreeEdit()
    folders = 0
    for path, change in changes.items():
        require_depth(path)
        edit = root
        for name in path.split("/"):
            if not edit.below:
                folders += 1
            edit = edit.below.setdefault(name, TreeEdit())
        edit.blob, edit.deletes = change, change is None
        # Each is a tree object to write, and a short body can name very many.
        if folders > FOLDERS_MAX:
            raise TooManyFolders(limit=FOLDERS_MAX)
    return root


def entries_of(data: bytes) -> Entries:
    """The entries of a tree object."""
    return {name: entry for entry, name in _ENTRY.findall(data)}


def entry_of(name: bytes, mode: int, oid: bytes) -> bytes:
    """One entry; the id has 20 bytes."""
    return b"%o %b\0%b" % (mode, name, oid)


def mode_of(entry: bytes) -> int:
    return int(entry[: entry.index(b" ")], 8)


def data_of(entries: Entries) -> bytes:
    """A tree object. Git sorts a folder as if its name ended in a slash."""
    return b"".join(
        entries[name] for name in sorted(entries, key=lambda name: _sorts_as(name, entries[name]))
    )


def _sorts_as(name: bytes, entry: bytes) -> bytes:
    return name + b"/" if mode_of(entry) == FileMode.TREE else name


class TreeWriter:
    """Makes the changed trees of one commit. They are in the repository once `store` has returned."""

    def __init__(self, raw: pygit2.Repository) -> None:
        self._raw = raw
        self._trees: dict[bytes, tuple[int, bytes]] = {}
        self._held = 0

    def edit(self, tree: pygit2.Tree | None, edit: TreeEdit, prefix: str = "") -> bytes | None:
        """The id of the tree after the edit, or None when nothing is left in it. Raises: InvalidPath."""
        entries = entries_of(tree.read_raw()) if tree is not None else {}
        for shown, change in edit.below.items():
            path = prefix + shown
            name = _stored(entries, shown)
            existing = entries.get(name)
            folder = self._folder(existing) if existing is not None else None
            if change.deletes and not change.below:
                entries.pop(name, None)
                continue
            written = self.edit(folder, change, f"{path}/") if change.below or folder is not None else None
            if change.blob is not None:
                if written is not None:
                    raise InvalidPath(path=path, reason="a folder of that name is in the way.")
                entries.pop(name, None)
                new = _new_name(path, shown)
                entries[new] = entry_of(new, change.blob[1], self._blob(path, change.blob))
            elif written is not None:
                if existing is not None and folder is None and not change.deletes:
                    raise InvalidPath(path=path, reason="a file is in the way of a folder of that name.")
                if name != shown.encode("utf-8", "surrogateescape"):
                    raise InvalidPath(path=path, reason="its name is not UTF-8; delete the folder.")
                new = name if existing is not None else _new_name(path, shown)
                entries[new] = entry_of(new, FileMode.TREE, written)
            elif folder is not None:
                entries.pop(name, None)
        return self._add(data_of(entries)) if entries else None

    def _folder(self, entry: bytes) -> pygit2.Tree | None:
        if mode_of(entry) != FileMode.TREE:
            return None
        folder = self._raw[pygit2.Oid(raw=entry[-20:])]
        assert isinstance(folder, pygit2.Tree)
        return folder

    def _blob(self, path: str, blob: Blob) -> bytes:
        oid = pygit2.Oid(hex=blob[0])
        if oid not in self._raw:
            raise InvalidPath(path=path, reason="its content is not in the repository.")
        return bytes(oid.raw)

    def _add(self, data: bytes) -> bytes:
        oid = packs.object_id(packs.TREE, data)
        if oid not in self._trees:
            self._trees[oid] = (packs.TREE, data)
            self._held += len(data)
            if self._held > HELD_BYTES_MAX:
                self.store()
        return oid

    def store(self) -> None:
        """Write what was made. It is on the disk when this returns."""
        if len(self._trees) <= LOOSE_MAX:
            for _kind, data in self._trees.values():
                self._raw.odb.write(ObjectType.TREE, data)
        else:
            packs.add(Path(self._raw.path), self._trees)
        self._trees, self._held = {}, 0


def _stored(entries: Entries, shown: str) -> bytes:
    """The name of the entry that is shown as this; the shown one's own bytes where there is none."""
    name = shown.encode("utf-8", "surrogateescape")
    if name in entries or names.REPLACEMENT not in shown:
        return name
    return next((stored for stored in entries if names.shown(stored) == shown), name)


def _new_name(path: str, shown: str) -> bytes:
    """The bytes of a name that is not in the tree yet; `require_path` has refused more than these."""
    name = shown.encode("utf-8", "surrogateescape")
    if name.lower() in _REFUSED or b"\0" in name:
        raise InvalidPath(path=path, reason="git does not take this name.")
    return name
