"""Bytes of a repository's files for showing them: from git, or from the large object behind a pointer."""

from __future__ import annotations

from collections.abc import Iterable

from foundation import byte_ranges
from foundation.byte_ranges import ReadRange
from foundation.errors import Refusal
from hub.accounts.principals import Principal
from hub.gitstore import Entry
from hub.lfs import selectors as lfs
from hub.repos import policies
from hub.repos.models import Repository
from hub.revisions import reading

CARD_BYTES_MAX = 1024 * 1024


def reader_of(*, actor: Principal, repository: Repository, entry: Entry) -> ReadRange | None:
    """A reader of ranges of a file; None if the hub does not hold its large object (yet).

    Raises: what `require_content` raises.
    """
    policies.require_content(actor, repository)
    if entry.pointer is None:
        data = reading.read_blob(repository, entry)
        return byte_ranges.of_bytes(data)
    try:
        stored = lfs.get_object(repository_id=repository.pk, oid=entry.pointer.oid)
    except Refusal:
        return None
    return lfs.range_reader(stored)


def card_text(
    *, actor: Principal, repository: Repository, commit: str, path: str = "README.md"
) -> str | None:
    """The card's Markdown, or None without one. Cards are shown even where the files are gated.

    Raises: RepositoryNotFound, RepositoryDisabled.
    """
    policies.require_open(actor, repository)
    if not commit:
        return None
    entry = reading.find_entry(repository, commit, path)
    if entry is None or not entry.is_file or entry.size > CARD_BYTES_MAX:
        return None
    return reading.read_blob(repository, entry).decode("utf-8", "replace")


def held_in_chunks(repository: Repository, entries: Iterable[Entry]) -> set[str]:
    """The oids of those large objects that lie in the Xet store, for marking them."""
    oids = [entry.pointer.oid for entry in entries if entry.pointer is not None]
    if not oids:
        return set()
    stored = lfs.objects_of(repository_id=repository.pk, oids=oids)
    return {oid for oid, found in stored.items() if found.xet_file_id is not None}
