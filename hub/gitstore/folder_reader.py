"""Small files by folder and name, for readers that visit many folders of one commit."""

from __future__ import annotations

from collections.abc import Iterator

import pygit2
from pygit2.enums import FileMode

from hub.gitstore.errors import RevisionNotFound
from hub.gitstore.objects import find_commit
from hub.gitstore.repository import GitRepository


class FolderReader:
    """Reads files of one commit. Folders on the way are opened once: a path costs its own parts alone."""

    def __init__(self, git: GitRepository, commit: str) -> None:
        """Raises: RevisionNotFound."""
        self._raw = git.raw
        found = find_commit(git.raw, commit)
        if found is None:
            raise RevisionNotFound(revision=commit)
        self._trees: dict[bytes, pygit2.Tree] = {b"": found.tree}

    def each(self, path: bytes, name: bytes, *, bytes_max: int) -> Iterator[tuple[bytes, str | None]]:
        """For each folder on the way to `path` that exists, from the root down: the folder, and the id of
        the file `name` in it; None where there is none, where it is a link, and above `bytes_max`.
        """
        folder, tree = b"", self._trees[b""]
        yield folder, self._file(tree, name, bytes_max)
        for part in path.split(b"/")[:-1]:
            folder = folder + b"/" + part if folder else part
            below = self._trees.get(folder)
            if below is None:
                found = _child(tree, part)
                if not isinstance(found, pygit2.Tree):
                    return
                below = self._trees[folder] = found
            tree = below
            yield folder, self._file(tree, name, bytes_max)

    def read(self, oid: str) -> bytes:
        """The bytes of a file that `each` has named."""
        found = self._raw[oid]
        assert isinstance(found, pygit2.Blob)
        return found.data

    def _file(self, tree: pygit2.Tree, name: bytes, bytes_max: int) -> str | None:
        found = _child(tree, name)
        if not isinstance(found, pygit2.Blob) or int(found.filemode) == FileMode.LINK:
            return None
        _, size = self._raw.odb.read_header(found.id)
        return str(found.id) if size <= bytes_max else None


def _child(tree: pygit2.Tree, name: bytes) -> pygit2.Object | None:
    try:
        return tree[name.decode("utf-8", "surrogateescape")] if name else None
    except KeyError:
        return None
