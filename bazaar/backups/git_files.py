"""Git folders in a backup: the refs first, then what they name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
from django.conf import settings

from bazaar.backups.database import file_content
from bazaar.backups.errors import BackupFailed
from bazaar.backups.storage import Writer
from foundation import hex_digits
from hub import gitstore

REFS_PATH = "git/refs.json"
# Of a folder that git packs while it is read, files go away; then it is listed again.
LISTINGS_MAX = 20

Refs = dict[str, dict[str, str]]
"""Storage key → ref → the object that the ref holds: a commit, or an annotated tag."""


def folders() -> Iterator[tuple[str, Path]]:
    """Storage key and folder of each repository on disk."""
    for path in sorted(Path(settings.GIT_ROOT).glob("??/??/*.git")):
        yield path.stem, path


def read_refs(known: Refs) -> Refs:
    """The refs of all repositories; those in `known` are not read again."""
    return {storage: known[storage] if storage in known else _refs_of(storage) for storage, _ in folders()}


def _refs_of(storage: str) -> dict[str, str]:
    try:
        git = gitstore.open_repository(storage)
    except FileNotFoundError:
        return {}
    return {ref.name: _held(git, ref) for ref in git.refs()}


def _held(git: gitstore.GitRepository, ref: gitstore.Ref) -> str:
    """The object that the ref names itself; of a symbolic ref, and of one just deleted, the commit."""
    held = git.held_by(ref.name)
    return held if held is not None and hex_digits.SHA1.fullmatch(held) else ref.target


def store(writer: Writer, refs: Refs) -> None:
    """Add the refs, and the objects of each repository that they name, to a backup.

    Objects are never changed. Refs, caches that git makes anew, and unfinished pushes are left out.
    """
    writer.add(REFS_PATH, [msgspec.json.encode(refs)])
    for storage in refs:
        _store_repository(writer, storage, gitstore.folder_of(storage))


def _store_repository(writer: Writer, storage: str, folder: Path) -> None:
    done: set[str] = set()
    for _ in range(LISTINGS_MAX):
        gone = False
        for name in _listed(folder):
            if name not in done:
                gone |= not _store_file(writer, storage, folder, name)
                done.add(name)
        if not gone:
            return
    raise BackupFailed(f"The git folder {folder} changes too fast to be copied.")


def _store_file(writer: Writer, storage: str, folder: Path, name: str) -> bool:
    """False if the file has gone: git has packed what it held."""
    path = folder / name
    try:
        status = path.stat()
        key, stamp = f"git/{storage}/{name}", str(status.st_mtime_ns)
        if not writer.has(key, status.st_size, stamp):
            writer.add(key, file_content(path), stamp=stamp)
    except FileNotFoundError:
        return False
    return True


def _listed(folder: Path) -> list[str]:
    """HEAD, the configuration, loose objects and packs."""
    found = [name for name in ("HEAD", "config") if (folder / name).exists()]
    for parent, names, files in os.walk(folder / "objects"):
        names[:] = [name for name in names if not name.startswith(("tmp_", "incoming"))]
        inside = Path(parent).relative_to(folder)
        if inside.parts[1:2] == ("info",):
            continue
        found += [
            str(inside / name)
            for name in files
            if not name.startswith(("tmp_", "multi-pack-index"))
            and not name.endswith((".lock", ".keep", ".bitmap"))
        ]
    return found
