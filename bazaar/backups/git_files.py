"""Git folders in a backup: the objects that the rows of refs name. The rows are read before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from bazaar.backups.database import file_content
from bazaar.backups.errors import BackupFailed
from bazaar.backups.storage import Writer

# Releases whose database had no refs wrote them here.
REFS_PATH = "git/refs.json"
# Of a folder that git packs while it is read, files go away; then it is listed again.
LISTINGS_MAX = 20

Refs = dict[str, dict[str, str]]
"""Storage key → ref → the object that the ref holds: a commit, or an annotated tag."""


def folders() -> Iterator[tuple[str, Path]]:
    """Storage key and folder of each repository on disk."""
    for path in sorted(Path(settings.GIT_ROOT).glob("??/??/*.git")):
        yield path.stem, path


def store(writer: Writer) -> set[str]:
    """Add the objects of each repository on disk to a backup; gives the storage keys of those repositories.

    Objects are never changed. Left out are git's files of refs, which rows make anew, caches and unfinished
    pushes. Raises: BackupFailed, also for a folder that cannot be read.
    """
    stored = set()
    for storage, folder in folders():
        _store_repository(writer, storage, folder)
        stored.add(storage)
    return stored


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
    for parent, names, files in os.walk(folder / "objects", onerror=_require_gone):
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


def _require_gone(error: OSError) -> None:
    """A folder of objects that is gone was packed. Raises BackupFailed for one that cannot be read."""
    if not isinstance(error, FileNotFoundError):
        raise BackupFailed(f"{error.filename} cannot be read: {error.strerror}") from error
