"""Filling a hub with the starter catalogue. Run again, it adds what is missing and leaves the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from hub.accounts import services as accounts
from hub.accounts.principals import SYSTEM
from hub.accounts.services import Profile
from hub.blobstore import temporary_file
from hub.catalogue import files
from hub.catalogue.entries import Entry, entries, organizations
from hub.lfs import storing
from hub.repos import selectors as repos
from hub.repos import services as repositories
from hub.repos.models import Repository
from hub.revisions import services as revisions
from hub.revisions.operations import AddBlob, AddLfs, Operation
from hub.revisions.selectors import git_of
from hub.revisions.services import NewCommit

MESSAGE = "Add the card and stand-in files"


def ensure_organizations() -> None:
    """Raises: NameTaken when somebody has such a name."""
    for organization in organizations():
        accounts.ensure_organization(
            actor=SYSTEM,
            name=organization.name,
            profile=Profile(
                full_name=organization.full_name,
                website=organization.website,
                details=organization.details,
            ),
        )


def missing_entries() -> list[Entry]:
    """The entries whose repository does not exist or stopped short of its files."""
    return [entry for entry in entries() if not _is_whole(_find(entry))]


def _find(entry: Entry) -> Repository | None:
    return repos.find_repository(kind=entry.kind, repo_id=entry.id)


def _is_whole(repository: Repository | None) -> bool:
    """Only a repository without a card is filled, so later changes of a card are kept."""
    if repository is None:
        return False
    return git_of(repository).find_entry(repository.head_sha, "README.md") is not None


def fill(wanted: list[Entry], *, now: datetime) -> Iterator[Entry]:
    """Make the repositories one by one, yielding each once it is whole."""
    for entry in wanted:
        repository = _find(entry) or repositories.create_repository(
            actor=SYSTEM,
            request=repositories.NewRepository(kind=entry.kind, repo_id=entry.id, visibility="public"),
            now=now,
        )
        _commit(repository, entry, now)
        yield entry


def _commit(repository: Repository, entry: Entry, now: datetime) -> None:
    git = git_of(repository)
    operations: list[Operation] = [
        AddBlob(path=path, blob=git.write_blob(data), size=len(data))
        for path, data in files.regular(entry).items()
    ]
    for path, data in files.large(entry).items():
        oid = hashlib.sha256(data).hexdigest()
        with temporary_file(storing.TEMPORARY_PREFIX) as file:
            file.write(data)
            file.flush()
            place = Path(file.name)
            storing.keep_file(repository_id=repository.pk, path=place, oid=oid, size_bytes=len(data), now=now)
        operations.append(AddLfs(path=path, oid=oid, size=len(data)))
    revisions.commit(
        actor=SYSTEM,
        repository=repository,
        revision=repository.default_branch,
        request=NewCommit(operations=operations, title=MESSAGE),
        now=now,
    )
