"""Writing the objects of one bare repository: blobs, trees, commits, tags.

They are durable when a call returns, and harmless alone: a move of refs (`hub.revisions.moves`) makes them
visible.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pygit2
from django.conf import settings
from pygit2.enums import ObjectType

from hub.gitstore.blobs import BlobWriter
from hub.gitstore.diffs import DiffMixin
from hub.gitstore.errors import MessageTooLong, TreeTooLarge
from hub.gitstore.trees import TreeWriter, plan
from hub.gitstore.values import Author

# With the other lines of its commit less than a push may bring (incoming.RECORD_BYTES_MAX).
MESSAGE_BYTES_MAX = 224 * 1024


class WritingMixin(DiffMixin):
    """The writing half of `GitRepository`."""

    def write_blob(self, data: bytes) -> str:
        return str(self.raw.create_blob(data))

    def blob_writer(self) -> BlobWriter:
        """Writes the blobs of one commit, however many, with a few syncs. It is a context manager."""
        return BlobWriter(self.raw)

    def write_blob_from(self, path: Path) -> str:
        """From a file on disk, without reading it into memory whole."""
        return str(self.raw.create_blob_fromdisk(str(path)))

    def write_tree(self, base: str | None, changes: Mapping[str, tuple[str, int] | None]) -> str:
        """The tree of commit `base` (None: empty) with `changes` applied; only touched folders are read.

        A deletion of a folder's path removes the folder. Folders that become empty vanish.
        Raises: InvalidPath when a path needs a file to be a folder; TooManyFolders.
        """
        tree = self.raw[base].peel(pygit2.Tree) if base is not None else None
        writer = TreeWriter(self.raw)
        written = writer.edit(tree, plan(changes))
        writer.store()
        return written.hex() if written is not None else str(self.raw.TreeBuilder().write())

    def write_commit(
        self, *, tree: str, parents: list[str], message: str, author: Author, at: datetime
    ) -> str:
        """A commit object that no ref names yet. Raises: MessageTooLong."""
        _require_message(message)
        signature = pygit2.Signature(author.name, author.email, int(at.timestamp()), 0)
        return str(
            self.raw.create_commit(None, signature, signature, message, pygit2.Oid(hex=tree), list(parents))
        )

    def write_merge(
        self, *, ours: str, theirs: str, message: str, author: Author, at: datetime
    ) -> str | None:
        """A merge commit of two commits, or None when files conflict (`conflicts` names them).

        Raises: TreeTooLarge.
        """
        index, _ = self.merged(ours, theirs)
        if index is None:
            return None
        if len(index) > settings.GIT_TREE_ENTRIES_MAX:
            raise TreeTooLarge(limit=settings.GIT_TREE_ENTRIES_MAX)
        if index.conflicts is not None and any(True for _ in index.conflicts):
            return None
        tree = str(index.write_tree(self.raw))
        return self.write_commit(tree=tree, parents=[ours, theirs], message=message, author=author, at=at)

    def write_tag(self, *, name: str, target: str, message: str, author: Author, at: datetime) -> str:
        """An annotated tag object that no ref names yet. Raises: MessageTooLong."""
        _require_message(message)
        signature = pygit2.Signature(author.name, author.email, int(at.timestamp()), 0)
        return str(_tag_object(self.raw, name, target, signature, message))


def _require_message(message: str) -> None:
    if len(message.encode(errors="surrogatepass")) > MESSAGE_BYTES_MAX:
        raise MessageTooLong(limit=MESSAGE_BYTES_MAX)


def _tag_object(
    raw: pygit2.Repository, name: str, target: str, signature: pygit2.Signature, message: str
) -> pygit2.Oid:
    """`create_tag` would also make the ref, without our check; so the object is written by hand."""
    text = (
        f"object {target}\ntype commit\ntag {name}\n"
        f"tagger {signature.name} <{signature.email}> {signature.time} +0000\n\n{message.rstrip()}\n"
    )
    return raw.odb.write(ObjectType.TAG, text.encode())
