"""Git's own files of refs: a copy of the rows (`hub.revisions.refs`), for git and for people who look.

The copy is one file, `packed-refs`. Its first line carries the version of the rows that it was made from: git
ignores a word of that line that it does not know.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.gitstore.values import Ref

PACKED = "packed-refs"
LOCK = "bazaar-refs.lock"
_VERSION = re.compile(rb"# pack-refs with:[^\n]* bazaar=(\d{1,19}) \n")
HEADER_BYTES_MAX = 128


def version_of(folder: Path) -> int:
    """The version of the copy in a repository's folder; 0 if there is none, or git wrote the file."""
    try:
        with (folder / PACKED).open("rb") as file:
            found = _VERSION.match(file.read(HEADER_BYTES_MAX))
    except FileNotFoundError:
        return 0
    return int(found[1]) if found else 0


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes of this machine from writing the copy.

    Raises: FileNotFoundError without a folder.
    """
    with (folder / LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write(folder: Path, refs: Iterable[Ref], *, version: int) -> None:
    """Replace the copy by these refs, in one step for readers. The caller has it `locked`.

    A ref in a file of its own would win over `packed-refs`. So such files are deleted before the copy is
    marked with its version: a crash in between leaves a copy that the next writer finds to be old.
    """
    lines = [_line(ref) for ref in sorted(refs, key=lambda ref: ref.name.encode())]
    loose = _loose(folder)
    if loose:
        _replace(folder, lines, 0)
        _delete(folder, loose)
    _replace(folder, lines, version)


def _line(ref: Ref) -> str:
    peeled = f"^{ref.target}\n" if ref.held != ref.target else ""
    return f"{ref.held} {ref.name}\n{peeled}"


def _replace(folder: Path, lines: Iterable[str], version: int) -> None:
    building = folder / f"{PACKED}.new"
    with building.open("w", encoding="utf-8") as file:
        file.write(f"# pack-refs with: peeled fully-peeled sorted bazaar={version} \n")
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    building.replace(folder / PACKED)


def _loose(folder: Path) -> list[Path]:
    """The files below `refs`: refs, and lock files that a killed process left."""
    return [Path(parent) / name for parent, _, names in os.walk(folder / "refs") for name in names]


def _delete(folder: Path, loose: Iterable[Path]) -> None:
    """Delete files of refs, and folders that are empty then, but for the two that git makes itself."""
    kept = {folder / "refs", folder / "refs/heads", folder / "refs/tags"}
    for path in loose:
        path.unlink(missing_ok=True)
        parent = path.parent
        with contextlib.suppress(OSError):
            while parent not in kept:
                parent.rmdir()
                parent = parent.parent
