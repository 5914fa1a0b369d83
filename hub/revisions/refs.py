"""The refs of repositories. Their rows are the authority; git's own files are a copy (ADR 0208).

All readers come here. A repository of a release that had no rows gets them from git's files when it is
first touched (`fill`). `hub.revisions.moves` moves refs, `hub.revisions.ref_copies` writes git's files.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable

from django.db import transaction

from hub import gitstore
from hub.gitstore.ref_names import RefNames
from hub.repos import locking
from hub.repos.models import Repository
from hub.revisions import models

CHANGED_COLUMNS = ("refs_version", "has_tags_below_default")


def new_version() -> int:
    """A number for `Repository.refs_version`.

    It is random, so that none is used twice, not even after the database was put back to an earlier moment.
    """
    return secrets.randbits(63) or 1


def commit_of(repository: Repository, name: str) -> str | None:
    """The commit that a full ref name leads to, through an annotated tag; None if there is no such ref."""
    return commits_of(repository, [name]).get(name)


def commits_of(repository: Repository, names: Collection[str]) -> dict[str, str]:
    """By full name, the commits that refs lead to; names of no ref are left out."""
    return {name: ref.target for name, ref in find(repository, names).items()}


def find(repository: Repository, names: Collection[str]) -> dict[str, gitstore.Ref]:
    """The refs of these full names, by name; those that do not exist are left out."""
    # No row has another spelling, and PostgreSQL takes no NUL and no half of a character.
    possible = [name for name in names if gitstore.is_ref_name(name)]
    if not possible:
        return {}
    require_rows(repository)
    return {ref.name: ref for ref in _read(repository, name__in=possible)}


def list_all(repository: Repository) -> list[gitstore.Ref]:
    """All refs, sorted by name."""
    require_rows(repository)
    return sorted(_read(repository), key=lambda ref: ref.name)


def names_of(repository: Repository) -> RefNames:
    """The names of all refs."""
    require_rows(repository)
    return RefNames(models.Ref.objects.filter(repository=repository).values_list("name", flat=True))


def has_commit(repository: Repository, commit: str) -> bool:
    """True if a ref leads to this commit."""
    return models.Ref.objects.filter(repository=repository, commit_sha=commit).exists()


def _read(repository: Repository, **conditions: object) -> Iterable[gitstore.Ref]:
    rows = models.Ref.objects.filter(repository=repository, **conditions)
    for name, target, held in rows.values_list("name", "commit_sha", "held_sha"):
        yield gitstore.Ref(name, target, held)


# ---- rows of repositories that have none -------------------------------------------------------------


def require_rows(repository: Repository) -> None:
    """Step of every reader: a repository without rows gets them. Raises: as `fill`."""
    if not repository.refs_version:
        fill(repository)


def fill(repository: Repository) -> bool:
    """Make the rows of a repository that has none yet, from git's files; return whether it had none.

    Raises: DeletedMeanwhile, FileNotFoundError without a git folder.
    """
    with transaction.atomic():
        locked = locking.lock_repository(repository.pk)
        is_new = not locked.refs_version
        if is_new:
            replace(locked, gitstore.open_repository(locked.storage).refs_in_files())
    for column in ("head_sha", *CHANGED_COLUMNS):
        setattr(repository, column, getattr(locked, column))
    return is_new


def replace(repository: locking.LockedRepository, found: Iterable[gitstore.Ref]) -> None:
    """Step: make these the rows of all refs of the repository, and its head that of its default branch."""
    refs = list(found)
    if repository.refs_version:
        models.Ref.objects.filter(repository=repository).delete()
    insert([(repository, ref) for ref in refs])
    default = f"refs/heads/{repository.default_branch}"
    repository.head_sha = next((ref.target for ref in refs if ref.name == default), repository.head_sha)
    mark_changed(repository, (ref.name for ref in refs))
    repository.save(update_fields=["head_sha", *CHANGED_COLUMNS])


def mark_changed(repository: locking.LockedRepository, names: Iterable[str]) -> None:
    """Step: refs of these names were moved or made. The caller saves CHANGED_COLUMNS of the repository."""
    repository.refs_version = new_version()
    below = f"refs/tags/{repository.default_branch}/"
    repository.has_tags_below_default |= any(name.startswith(below) for name in names)


def insert(refs: Iterable[tuple[Repository, gitstore.Ref]]) -> None:
    """Step: the rows of refs that do not exist yet."""
    models.Ref.objects.bulk_create(
        models.Ref(repository=repository, name=ref.name, held_sha=ref.held, commit_sha=ref.target)
        for repository, ref in refs
    )
