"""Repositories by the thousand: each is one pack, synced to disk with the batch.

For filling a hub with made-up content only. Users' content goes through `hub.gitstore.writing`, which makes
every object durable before the answer is sent.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from hub.gitstore import packs
from hub.gitstore.folders import CONFIG, folder_of
from hub.gitstore.values import Author, Entry


@dataclass(frozen=True, slots=True)
class MadeRepository:
    """The result: the first commit and its files. It reads like a `GitRepository` of that commit."""

    commit: str
    files: dict[str, bytes]
    oids: dict[str, str]

    def entries(self, commit: str, path: str = "", *, recursive: bool = False) -> Iterator[Entry]:
        for name in sorted(self.files):
            yield Entry(path=name, kind="file", oid=self.oids[name], size=len(self.files[name]))

    def read(self, oid: str) -> bytes:
        return next(self.files[name] for name, found in self.oids.items() if found == oid)


def write_repository(
    storage: str,
    *,
    default_branch: str,
    files: Mapping[str, bytes],
    message: str,
    author: Author,
    at: datetime,
) -> MadeRepository:
    """Make a repository of one commit with these top-level files; again, it is written over.

    Durable only after `sync`.
    """
    objects: dict[bytes, tuple[int, bytes]] = {}

    def add(kind: int, data: bytes) -> bytes:
        digest = packs.object_id(kind, data)
        objects[digest] = (kind, data)
        return digest

    blobs = {name: add(packs.BLOB, data) for name, data in files.items()}
    tree = b"".join(b"100644 " + name.encode() + b"\0" + blobs[name] for name in sorted(blobs))
    who = f"{author.name} <{author.email}> {int(at.timestamp())} +0000"
    text = f"tree {add(packs.TREE, tree).hex()}\nauthor {who}\ncommitter {who}\n\n{message}"
    commit = add(packs.COMMIT, text.encode()).hex()
    _write(storage, default_branch, commit, objects)
    return MadeRepository(commit, dict(files), {name: oid.hex() for name, oid in blobs.items()})


def _write(
    storage: str, default_branch: str, commit: str, objects: Mapping[bytes, tuple[int, bytes]]
) -> None:
    folder = folder_of(storage)
    for part in ("objects/pack", "refs/heads"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    pack, index = packs.pack_of(objects)
    name = f"objects/pack/{packs.name_of(pack)}"
    (folder / f"{name}.pack").write_bytes(pack)
    (folder / f"{name}.idx").write_bytes(index)
    (folder / "config").write_text(CONFIG)
    (folder / "refs" / "heads" / default_branch).write_text(f"{commit}\n")
    (folder / "HEAD").write_text(f"ref: refs/heads/{default_branch}\n")


def sync() -> None:
    """Make everything that was written durable."""
    os.sync()
