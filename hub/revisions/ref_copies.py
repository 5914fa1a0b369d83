"""Git's own files of refs: a copy of the rows, for `git fetch`, for packing, and to make lost rows anew."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import transaction
from django.db.models import QuerySet

from foundation.database.pages import page_by_page
from foundation.errors import DeletedMeanwhile
from hub import gitstore
from hub.gitstore import fronts, ref_files
from hub.gitstore.errors import ObjectNotVisible
from hub.repos import locking
from hub.repos.models import Repository
from hub.revisions import refs, selectors


def publish_here(repository: Repository) -> None:
    """Bring the files that this node's git reads up to the rows. The caller read the repository just now.

    Raises: FileNotFoundError without a git folder.
    """
    refs.require_rows(repository)
    front = fronts.prepare(repository.storage, default_branch=repository.default_branch)
    _publish(repository, front, is_forced=False)


def publish(repository: Repository, *, is_forced: bool = False) -> None:
    """Bring the files in the repository's folder up to the rows: for packing, and to make lost rows anew.

    `is_forced`: also if they carry the version of the rows. Raises: FileNotFoundError without a git folder.
    """
    refs.require_rows(repository)
    _publish(repository, gitstore.folder_of(repository.storage), is_forced=is_forced)


def _publish(repository: Repository, folder: Path, *, is_forced: bool) -> None:
    """Write the files, if they are old.

    Files are written by one process at a time, from rows that it reads then: an older state never replaces a
    newer one. Raises: FileNotFoundError without a folder.
    """
    if not is_forced and ref_files.version_of(folder) == repository.refs_version:
        return
    with ref_files.locked(folder):
        # The version first: if a ref moves between the two reads, the files are found to be old.
        row = Repository.objects.filter(pk=repository.pk).only("refs_version", "storage").first()
        if row is not None and (is_forced or ref_files.version_of(folder) != row.refs_version):
            found = refs.list_all(row)
            if fronts.is_apart():
                _require_visible(row, found)
            ref_files.write(folder, found, version=row.refs_version)


def _require_visible(repository: Repository, found: Iterable[gitstore.Ref]) -> None:
    """Git would leave out refs to commits of another node that this one does not see yet.

    Raises: ObjectNotVisible.
    """
    git = selectors.git_of(repository)
    for ref in found:
        git.commit_behind(ref.held)


def publish_changed(*, since: datetime) -> int:
    """Job: publish the refs of repositories whose content changed since a moment; return how many."""
    count = 0
    changed = Repository.objects.live().filter(updated_at__gte=since)
    for repository in page_by_page(changed.only("storage", "refs_version", "default_branch", "head_sha")):
        try:
            publish(repository)
        except (FileNotFoundError, ObjectNotVisible):
            continue  # `reindex` names a repository without its folder or objects
        count += 1
    return count


@dataclass(frozen=True, slots=True)
class Difference:
    """A ref that rows and git's files do not have at the same object, and the way to mend it."""

    ref: str
    row: str | None
    file: str | None
    is_damaged: bool = False

    def __str__(self) -> str:
        if self.is_damaged:
            way = "git lacks this commit: restore a backup, or run: manage.py refs rebuild"
        elif self.row is None:
            way = "only git's files have it: refs publish drops it there, refs rebuild keeps it"
        else:
            way = "git's files were changed by hand: refs publish writes them again"
        return f"{self.ref}: row {_short(self.row)}, file {_short(self.file)}; {way}"


def _short(oid: str | None) -> str:
    return oid[:12] if oid else "none"


def differences(repository: Repository) -> Iterator[Difference]:
    """Compare rows, git's files and objects. A copy that is merely not published yet is no difference.

    Raises: FileNotFoundError without a git folder.
    """
    refs.require_rows(repository)
    git = selectors.git_of(repository)
    before = _versions(repository)
    rows = {ref.name: ref.held for ref in refs.list_all(repository)}
    files = {ref.name: ref.held for ref in git.refs_in_files()}
    # Refs that moved since the first look, or whose copy was written, are not comparable.
    is_published = before == _versions(repository) and before[0] == before[1]
    for name in sorted(rows.keys() | files.keys()):
        row, file = rows.get(name), files.get(name)
        if row is not None and not _has_commit(git, row):
            yield Difference(name, row, file, is_damaged=True)
        elif row != file and is_published:
            yield Difference(name, row, file)


def _versions(repository: Repository) -> tuple[int | None, int]:
    """The versions of the rows and of the copy in the repository's folder, as they are now."""
    rows = Repository.objects.filter(pk=repository.pk).values_list("refs_version", flat=True).first()
    return rows, ref_files.version_of(gitstore.folder_of(repository.storage))


def _has_commit(git: gitstore.GitRepository, oid: str) -> bool:
    try:
        return git.commit_behind(oid) is not None
    except ObjectNotVisible:
        return False


def rebuild(repository: Repository) -> int:
    """Use case: make the rows of all refs anew from git's files; return how many there are.

    For a database that lost them. Raises: DeletedMeanwhile, FileNotFoundError without a git folder.
    """
    with transaction.atomic(durable=True):
        locked = locking.lock_repository(repository.pk)
        found = selectors.git_of(locked).refs_in_files()
        refs.replace(locked, found)
    return len(found)


def count_without_rows() -> int:
    """The number of repositories of an earlier release, whose refs are in git's files alone."""
    return _without_rows().count()


def fill_all() -> Iterator[Repository]:
    """Job: make rows of the refs of those repositories, one after another. Killed and run again, it goes on.

    One without a git folder, and one that is deleted meanwhile, is passed over.
    """
    for repository in page_by_page(_without_rows()):
        with contextlib.suppress(DeletedMeanwhile, FileNotFoundError, ObjectNotVisible):
            refs.fill(repository)
        yield repository


def _without_rows() -> QuerySet[Repository]:
    return Repository.objects.filter(refs_version=0)
