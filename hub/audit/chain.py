"""The chain of the audit log: each entry's digest holds that of the entry before it.

An entry that is changed, removed or put in later breaks the chain from there on. Somebody who may write the
database could compute the rest anew; so the head is written to the log at each step, and a head that was kept
elsewhere shows that too.

Digest of an entry: SHA-256 of the digest before it (in hexadecimal digits, nothing for the first), a line
feed, and the entry as JSON with sorted keys and without spaces, in UTF-8.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.db.models import Max

from foundation.held_rows import held_row
from hub.audit.models import AuditEntry, AuditHead

AT_ONCE = 1000
log = logging.getLogger(__name__)


def facts_of(entry: AuditEntry) -> dict[str, Any]:
    """An entry as its digest and its export have it."""
    return {
        "position": entry.position,
        "at": entry.at.isoformat(),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "namespace_id": entry.namespace_id,
        "details": entry.details,
        "request_id": entry.request_id,
    }


def digest_of(before: str, entry: AuditEntry) -> str:
    """The digest of an entry after the digest of the one before it."""
    text = json.dumps(facts_of(entry), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()


def append_new() -> int:
    """Append the entries that are not in the chain yet; return how many. Two at once wait for each other.

    Entries are not chained where they are written: each transaction would then wait for the one before it.
    """
    count = 0
    while appended := _append_some():
        count += appended
    return count


def _append_some() -> int:
    with transaction.atomic(durable=True):
        AuditHead.objects.get_or_create(pk=1)
        head = held_row(AuditHead.objects.select_for_update().filter(pk=1))
        entries = list(AuditEntry.objects.filter(position=None).order_by("pk")[:AT_ONCE])
        if not entries:
            return 0
        for entry in entries:
            head.position += 1
            entry.position = head.position
            entry.digest = head.digest = digest_of(head.digest, entry)
        AuditEntry.objects.bulk_update(entries, ["position", "digest"], batch_size=100)
        head.save(update_fields=["position", "digest"])
    log.info("audit_appended entries=%d head=%s", len(entries), head)
    return len(entries)


def problems(heads: dict[int, str] | None = None) -> Iterator[str]:
    """Every break of the chain, as a sentence each. `heads`: position → a digest that was kept elsewhere."""
    kept, expected, digest = dict(heads or {}), 1, ""
    # Entries that are appended meanwhile are not looked at.
    end = _head()
    for entry in AuditEntry.objects.sealed().filter(position__lte=end.position).iterator():
        position = entry.position or 0
        if position != expected:
            yield f"Entries {expected} to {position - 1} are missing."
        elif entry.digest != digest_of(digest, entry):
            yield f"Entry {position} is not as it was written, or the one before it is not."
        if (known := kept.pop(position, None)) is not None and known != entry.digest:
            yield f"Entry {position} has another digest than the one that was kept."
        expected, digest = position + 1, entry.digest
    if (end.position, end.digest) != (expected - 1, digest):
        yield f"The chain ends at entry {expected - 1}; its end says {end.position}."
    last = AuditEntry.objects.aggregate(last=Max("position"))["last"] or 0
    if last > AuditHead.objects.get_or_create(pk=1)[0].position:
        yield f"Entry {last} lies after the end of the chain."
    for position in sorted(kept):
        yield f"Entry {position}, whose digest was kept, is missing."


def _head() -> AuditHead:
    return AuditHead.objects.filter(pk=1).first() or AuditHead()
