"""Entries of the audit log in a store of objects, such as a bucket of S3.

`DAY/POSITION.jsonl` holds up to 1,000 entries in order, from the entry at POSITION on; `head.json` says how
far the export has come, with the digest of the last entry. An object is written before the head moves. If a
run is killed in between, the next one writes the same object again, perhaps with more entries: there are no
gaps and no doubles.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import msgspec
import redis

from foundation.errors import Conflict, Unavailable
from foundation.redis_connection import connection, key
from hub.audit import chain
from hub.audit.models import AuditEntry
from hub.blobstore import BlobMissing, BlobStore

HEAD = "head.json"
ENTRIES_MAX = 1000
# An export that was killed keeps others out for so long; one that runs says so at each object.
LOCK_SECONDS = 300


class AnotherLog(Conflict):
    """The store holds entries that the log does not have, so the two are not the same log."""

    code = "another_audit_log"
    message = (
        "{place} goes up to entry {position}, which this log does not have in this form. Export elsewhere."
    )


class ExportRuns(Unavailable):
    """Two exports to one place would write over each other."""

    code = "audit_export_runs"
    message = "Another export to this place runs, or was killed within the last five minutes."


class Head(msgspec.Struct, frozen=True):
    """The end of an export so far. `day` is that of the last object."""

    position: int = 0
    digest: str = ""
    day: str = ""


def export(store: BlobStore, *, place: str) -> tuple[int, int]:
    """Write the entries that the store lacks; gives their number and the position of the last.

    `place` names the store. Raises: AnotherLog, ExportRuns, StoreUnreachable, StorageFull.
    """
    count = 0
    with _alone(place) as still_alone:
        head = _head_of(store)
        _require_same_log(head, place)
        for day, entries in _objects(head):
            still_alone()
            lines = [json.dumps(line_of(entry), ensure_ascii=False) for entry in entries]
            store.put_stream(f"{day}/{entries[0].position:012}.jsonl", [f"{chr(10).join(lines)}\n".encode()])
            head = Head(entries[-1].position or 0, entries[-1].digest, day)
            store.put_stream(HEAD, [msgspec.json.encode(head)])
            count += len(entries)
    return count, head.position


def line_of(entry: AuditEntry) -> dict[str, Any]:
    """An entry as an export has it: its facts and its digest."""
    return chain.facts_of(entry) | {"digest": entry.digest}


def _objects(head: Head) -> Iterator[tuple[str, list[AuditEntry]]]:
    """The entries after a head, by objects. Days never go back: what took long is under the later day."""
    last_day, held = head.day, list[AuditEntry]()
    sealed = AuditEntry.objects.sealed().filter(position__gt=head.position)

    def day_of(entry: AuditEntry) -> str:
        nonlocal last_day
        last_day = max(last_day, f"{entry.at:%Y-%m-%d}")
        return last_day

    for day, entries in groupby(sealed.iterator(), day_of):
        for entry in entries:
            held.append(entry)
            if len(held) == ENTRIES_MAX:
                yield day, held
                held = []
        if held:
            yield day, held
            held = []


def _head_of(store: BlobStore) -> Head:
    try:
        return msgspec.json.decode(store.read(HEAD), type=Head)
    except BlobMissing:
        return Head()


def _require_same_log(head: Head, place: str) -> None:
    """A restored or another database must not go on under the numbers of this place. Raises: AnotherLog."""
    if not head.position:
        return
    known = AuditEntry.objects.filter(position=head.position).values_list("digest", flat=True).first()
    if known != head.digest:
        raise AnotherLog(place=place, position=head.position)


@contextmanager
def _alone(place: str) -> Iterator[Callable[[], object]]:
    """Keep other exports to the place out; the function that is given says that this one still runs.

    Raises: ExportRuns.
    """
    lock = connection().lock(key("audit", "export", place), timeout=LOCK_SECONDS, blocking=False)
    if not lock.acquire():
        raise ExportRuns

    def still_alone() -> None:
        try:
            lock.reacquire()
        except redis.exceptions.LockError:
            raise ExportRuns from None

    try:
        yield still_alone
    finally:
        if lock.owned():
            lock.release()
