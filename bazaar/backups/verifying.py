"""Checks: of a backup, chunk by chunk; and of a hub, whether every row has its bytes."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import run_checks
from django.utils import timezone

from bazaar.backups.errors import Damaged
from bazaar.backups.storage import Archive, Manifest
from compute_market.leases import checks as leases
from compute_market.ledger import checks as ledger
from compute_market.matching.clearing import checks as matching
from compute_market.offers import checks as offers
from compute_market.read_snapshot import read_snapshot
from foundation.clock import database_now
from hub import blobstore
from hub.lfs.models import LfsLink, LfsObject
from hub.revisions import reindexing
from hub.xet.models import Shard, Xorb


def problems_of_backup(archive: Archive, manifest: Manifest) -> Iterator[str]:
    """Read everything back. Gives a sentence for each file that cannot be restored as it was."""
    for file in manifest.files:
        try:
            size = sum(len(piece) for piece in archive.read(manifest, file))
        except Damaged as error:
            yield f"{file.path}: {error}"
            continue
        if size != file.size:
            yield f"{file.path}: {size} bytes instead of {file.size}"


def problems_of_hub() -> Iterator[str]:
    """Everything in this hub that is damaged or contradicts itself; rebuilds the index of content."""
    yield from missing_bytes()
    for outcome in reindexing.reindex_all(now=timezone.now()):
        if outcome.problem:
            yield f"{outcome.full_name}: {outcome.problem}"
    with read_snapshot():
        audited = {
            "ledger": ledger.audit(),
            "leases": leases.audit(now=database_now()),
            "matching": matching.audit(),
            "supply": offers.audit(),
        }
    for room, findings in audited.items():
        yield from (f"market, {room}: {finding}" for finding in findings)


def findings_of_doctor() -> list[str]:
    return [str(found) for found in run_checks(tags=["doctor"], include_deployment_checks=True)]


def missing_bytes() -> Iterator[str]:
    """A sentence for each object whose bytes are not in the store, with the repositories that need it."""
    store = blobstore.get_store()
    for stored in LfsObject.objects.exclude(blob_key="").iterator():
        if store.size(stored.blob_key) != stored.size_bytes:
            yield f"large object {stored.oid}: its bytes are missing{_users(stored)}"
    for xorb in Xorb.objects.usable().without_tables().iterator():
        if store.size(xorb.key) != xorb.stored_bytes:
            yield f"xorb {xorb.hash}: its bytes are missing"
    for shard in Shard.objects.iterator():
        if store.size(shard.key) != shard.stored_bytes:
            yield f"shard {shard.digest}: its bytes are missing"
    for stored in LfsObject.objects.filter(blob_key="", xet_file=None).iterator():
        yield f"large object {stored.oid}: no row says where its bytes are{_users(stored)}"


def _users(stored: LfsObject) -> str:
    names = LfsLink.objects.filter(object=stored).values_list("repository__full_name", flat=True)
    return f" (in {', '.join(names)})" if names else ""
