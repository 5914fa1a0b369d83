"""Use cases of the Xet store: store a xorb, register a shard."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction

from foundation import spans
from foundation.batches import batches
from hub import blobstore
from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.repos import locking, quotas
from hub.repos.models import Repository
from hub.xet import budget, hash_ahead, jobs, policies, registration, selectors, verification
from hub.xet.codec import shards, xorbs
from hub.xet.codec.errors import Malformed
from hub.xet.codec.hashes import to_text
from hub.xet.codec.shards import ShardFile
from hub.xet.codec.xorbs import Read
from hub.xet.errors import InvalidShard, InvalidXorb, UnknownXorb
from hub.xet.intake import TEMPORARY_PREFIX, kept, spool_shard
from hub.xet.layouts import Layouts
from hub.xet.models import StoreGeneration, XetFile, Xorb, xorb_key
from hub.xet.signals import files_registered
from hub.xet.verification import Progress


@dataclass(frozen=True, slots=True)
class Registered:
    """The end of a registration: True if the repository gained any file. It says nothing of other owners."""

    is_new: bool


def store_xorb(*, actor: Principal, repository: Repository, name: str, read: Read, now: datetime) -> bool:
    """Verify a xorb as it streams in and keep it. Returns whether it is new from this sender, who learns
    nothing of what others have sent.

    The sender may name it in shards from now on, also if somebody else had sent it before.
    Raises: InvalidXorb, XorbBusy, what `require_upload` raises, StorageFull.
    """
    policies.require_upload(actor, repository)
    arrivals = hash_ahead.Arrivals(actor.user_id, repository.pk)
    arrivals.begin(name)
    with blobstore.temporary_file(TEMPORARY_PREFIX) as file:
        try:
            layout = xorbs.read_layout(kept(read, file))
        except Malformed as error:
            raise InvalidXorb(reason=error) from error
        if to_text(xorbs.layout_hash(layout)) != name:
            raise InvalidXorb(reason="Its chunks give another hash than its address says.")
        is_new = not registration.claim_xorb(name, now=now)
        if is_new:
            file.truncate(layout.stored_bytes)
            blobstore.get_store().put_file(xorb_key(name), Path(file.name))
    with transaction.atomic(durable=True):
        xorb = registration.record_xorb(name, layout, now=now)
        is_first = registration.record_sender(xorb, actor)
    if is_new and bytes(xorb.stored_ends) != layout.pack_stored_ends():
        # Somebody sent the same at the same time, compressed otherwise: whose bytes have stayed?
        jobs.verify_stored(name, now=now)
    arrivals.stored(name)
    return is_new or is_first


def register_shard(
    *, actor: Principal, repository: Repository, read: Read, now: datetime
) -> Iterator[Progress | Registered]:
    """Verify what a shard announces, then register its files for the repository, all or none.

    Gives signs of life while bytes are read, and at the end `Registered`.
    Raises: InvalidShard, UnknownXorb, XorbDamaged, StorageQuotaExceeded, VerificationBusy,
    VerificationBudgetSpent, what `require_upload` raises.
    """
    policies.require_upload(actor, repository)
    with blobstore.temporary_file(TEMPORARY_PREFIX) as file:
        data, digest = spool_shard(read, file)
        try:
            shard = shards.read_shard(data)
        except Malformed as error:
            raise InvalidShard(reason=error) from error
        budget.require_plausible(shard)
        names = verification.named_xorbs(shard)
        _require_nameable(actor, names)
        layouts = Layouts()
        verification.check_structure(shard, layouts)
        unknown = registration.unverified(shard.files)
        proposer = quotas.proposer_of(actor, repository)
        _require_room(proposer, repository, sum(file.size for file in unknown))
        yield from _verify(actor, unknown, layouts, now=now)
        row = registration.keep_shard(digest, file, now=now) if unknown else None
    with transaction.atomic(durable=True):
        locked = locking.lock_for_bytes(repository.pk, proposer=proposer)
        registration.lock_xorbs(names, now=now)
        saved = registration.record_shard(row) if row else None
        files = registration.record_files(shard, saved, layouts, now=now)
        gained = registration.count_unlinked([file.pk for file in files], repository.pk)
        files_registered.send(XetFile, files=files, repository=locked, actor=actor, now=now)
    hash_ahead.Arrivals(actor.user_id, repository.pk).end()
    yield Registered(is_new=gained > 0)


def expect_files(repository: Repository, sizes: Mapping[str, int]) -> None:
    """Prepare for the upload of files, path to size in bytes, of which a client asks how to send them."""
    hash_ahead.announce(repository.pk, sizes)


def _verify(
    actor: Principal, files: list[ShardFile], layouts: Layouts, *, now: datetime
) -> Iterator[Progress]:
    """Read files back, paid for and, if that takes long, when it is the actor's turn."""
    if not files:
        return
    price = budget.price_of(files, layouts)
    budget.spend(actor, price, now=now)
    if price <= budget.SHORT_PRICE:
        yield from _check(files, layouts)
        return
    with budget.turns.turn(actor.user_id or 0) as turn:
        while not turn.begin(verification.HEARTBEAT_S):
            yield Progress(0, sum(file.size for file in files))
        yield from _check(files, layouts)


def _check(files: list[ShardFile], layouts: Layouts) -> Iterator[Progress]:
    with spans.span("xet.verify", is_parent=False, files=len(files), bytes=sum(file.size for file in files)):
        yield from verification.check_content(files, layouts)


def answer_chunk_query(*, actor: Principal, chunk: str, now: datetime) -> bytes:
    """A shard with chunks that the actor may use instead of uploading them again. Raises ChunkNotFound.

    Its chunk hashes are blinded with a key of its own: only a client that has a chunk recognizes it. The
    xorbs are kept for longer than the answer may be used.
    """
    found = selectors.neighbours_of_chunk(actor=actor, chunk=chunk)
    with transaction.atomic(durable=True):
        registration.touch_xorbs([to_text(xorb.hash) for xorb in found], now=now)
    created_s = int(now.timestamp())
    footer = shards.Footer(secrets.token_bytes(32), created_s, created_s + settings.XET_ANSWER_SECONDS)
    return shards.write_shard(shards.Shard(xorbs=found), footer)


def begin_generation() -> int:
    """Give the store another address, so that clients forget what they sent to the old one."""
    with transaction.atomic(durable=True):
        row = StoreGeneration.objects.select_for_update().get_or_create(pk=1)[0]
        row.number += 1
        row.save()
    return row.number


def _require_room(proposer: User | None, repository: Repository, size_bytes: int) -> None:
    """Before anything is read: a short shard can describe a file of any length.

    Raises InvalidShard, StorageQuotaExceeded.
    """
    limit = settings.LFS_OBJECT_BYTES_MAX
    if size_bytes > limit:
        raise InvalidShard(reason=f"Its new files have {size_bytes} bytes; {limit} may come at once.")
    quotas.require_room_to_bring(proposer, repository, size_bytes)


def _require_nameable(actor: Principal, names: Iterable[str]) -> None:
    """Unknown and hidden xorbs are refused alike, so that a name tells nothing."""
    for batch in batches(sorted(names)):
        nameable = Xorb.objects.usable().filter(policies.xorbs_nameable_by(actor), pk__in=batch)
        allowed = set(nameable.values_list("pk", flat=True))
        for name in batch:
            if name not in allowed:
                raise UnknownXorb(xorb=name)
