"""The rule that decides how an uploaded file is stored: inline, as a git blob, or large, as an LFS object.

Preuploads of every dialect, staged commits, first commits and pushes ask it here (ADR 0179).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from hub.gitstore import Entry, GitRepository
from hub.gitstore.path_reader import PathReader
from hub.gitstore.wildmatch import Budget
from hub.repos.models import Repository
from hub.revisions import attributes as git_attributes
from hub.revisions import ignoring, selectors
from hub.revisions.attributes import NONE, AttributesAt, is_lfs_by
from hub.revisions.ignoring import Ignoring

# A sample is the beginning of a file: as many bytes as clients send of it.
SAMPLE_BYTES = 512


def inline_bytes_max() -> int:
    """The size limit of a git blob, in bytes; a larger file is an LFS object."""
    return int(settings.LFS_THRESHOLD_BYTES)


def looks_binary(sample: bytes) -> bool:
    """True if the first 512 bytes of a file hold a zero byte, or are not UTF-8."""
    data = sample[:SAMPLE_BYTES]
    if b"\0" in data:
        return True
    try:
        data.decode()
    except UnicodeDecodeError as error:
        # The sample may end in the middle of a character.
        return error.start < len(data) - 3
    return False


class UploadRule:
    """The rule for the files of one request. All pattern matching is counted in one budget."""

    def __init__(self, git: GitRepository | None, commit: str | None, *, given: bytes | None = None) -> None:
        """`commit` holds the repository's `.gitattributes`; None: those of a new repository.

        `given` is a `.gitattributes` that the upload itself brings; it decides beside the repository's.
        Without `git` the given file decides alone. Raises: RevisionNotFound.
        """
        self.budget = Budget()
        self._given = NONE
        self._held = AttributesAt(git, commit, self.budget) if git is not None else None
        if given is not None:
            self.give(given)

    def give(self, attributes: bytes) -> None:
        """Take in the `.gitattributes` at the root of the upload. One of more than 1 MiB is ignored."""
        is_usable = len(attributes) <= git_attributes.FILE_BYTES_MAX
        self._given = git_attributes.parse(attributes) if is_usable else NONE

    def is_large(self, path: str, size: int, sample: bytes = b"") -> bool:
        """True if a file of `size` bytes is stored as an LFS object. Empty files never are.

        `sample` is the beginning of the file where a client sends one to ask for advice; content that arrives
        inline has none. Raises: InvalidPath, TooManyPatterns.
        """
        return size > 0 and (
            size > inline_bytes_max()
            or is_lfs_by(self._given, path, self.budget)
            or (self._held is not None and self._held.is_lfs(path))
            or looks_binary(sample)
        )


@dataclass(frozen=True, slots=True)
class OfferedFile:
    """A file that a client is about to upload. `size` is in bytes, `sample` its beginning where known."""

    path: str
    size: int
    sample: bytes = b""


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """The way in which a file is uploaded. `entry` is the present entry at its path."""

    path: str
    is_large: bool
    is_ignored: bool
    entry: Entry | None

    @property
    def held_oid(self) -> str | None:
        """The LFS object or the blob that the path holds now; None where it holds no file."""
        if self.entry is None or not self.entry.is_file:
            return None
        return self.entry.pointer.oid if self.entry.pointer else self.entry.oid


def plan_upload(
    *,
    repository: Repository,
    commit: str,
    files: Iterable[OfferedFile],
    gitattributes: bytes | None = None,
    gitignore: str | None = None,
) -> list[PlannedFile]:
    """Say of each file whether it is to be sent inline or as a large object, and whether it is left out.

    `gitattributes` and `gitignore` are texts that the client gives. Without a `gitignore` the repository's
    is read. Raises: InvalidPath, TooManyPatterns, RevisionNotFound.
    """
    git = selectors.git_of(repository)
    reader = PathReader(git, commit)
    rule = UploadRule(git, commit, given=gitattributes)
    ignored = Ignoring(_gitignore(git, reader) if gitignore is None else gitignore, rule.budget)
    return [
        PlannedFile(
            path=file.path,
            is_large=rule.is_large(file.path, file.size, file.sample),
            is_ignored=ignored.leaves_out(file.path),
            entry=reader.find(file.path) if file.path else None,
        )
        for file in files
    ]


def _gitignore(git: GitRepository, reader: PathReader) -> str:
    entry = reader.find(ignoring.NAME)
    if entry is None or not entry.is_file or entry.size > ignoring.TEXT_BYTES_MAX:
        return ""
    return git.read(entry.oid).decode(errors="replace")
