"""Negotiate, receive, complete, verify: what git-lfs and its relatives ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction

from foundation.errors import Interrupted, Refusal
from foundation.hex_digits import SHA256
from hub.accounts import selectors as accounts
from hub.accounts.principals import Principal
from hub.blobstore import Part, UploadMissing, get_store, temporary_file
from hub.lfs import links, storing
from hub.lfs.errors import (
    GrantRefused,
    HashMismatch,
    InvalidOid,
    InvalidSize,
    SizeMismatch,
    TooManyObjects,
    TooManyParts,
)
from hub.lfs.grants import Grant
from hub.lfs.models import LfsObject, LfsUpload
from hub.lfs.selectors import get_object, objects_of
from hub.repos import locking, quotas
from hub.repos import policies as repository_policies
from hub.repos.errors import RepositoryNotFound
from hub.repos.models import Repository

BATCH_MAX = 1000
MIB = 1024 * 1024
PARTS_MAX = 10_000
# Each part is an address to sign. Parts of one answer are made so large that about so many suffice for it.
PARTS_ANSWERED = 20_000
# S3 takes no part of more than 5 GiB.
PART_BYTES_MAX = 4 * 1024**3
# After so many parts, which only uploads that began in other requests add up to, the answer names no more.
PARTS_ANSWERED_MAX = 40_000


@dataclass(frozen=True, slots=True)
class NamedObject:
    """One object as a batch names it."""

    oid: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class UploadAnswer:
    """The answer for one object that shall be uploaded.

    `refusal`: it cannot be. `is_stored`: nothing needs to be sent. `upload`: send it to the store,
    in parts at `part_urls` or whole at `url`; both are empty when the bytes pass through the hub.
    """

    wanted: NamedObject
    refusal: Refusal | None = None
    is_stored: bool = False
    upload: LfsUpload | None = None
    url: str = ""
    part_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DownloadAnswer:
    """The answer for one object that shall be downloaded."""

    wanted: NamedObject
    stored: LfsObject | None


def require_wanted(oid: object, size: object) -> NamedObject:
    """Check what a batch says of one object. Raises: InvalidOid, InvalidSize."""
    if not isinstance(oid, str) or not SHA256.fullmatch(oid):
        raise InvalidOid(oid=str(oid)[:80])
    limit = settings.LFS_OBJECT_BYTES_MAX
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= limit:
        raise InvalidSize(limit=limit)
    return NamedObject(oid, size)


def negotiate_upload(
    *,
    actor: Principal,
    repository: Repository,
    wanted: Sequence[NamedObject],
    in_parts: bool,
    always_in_parts: bool = False,
    only_here: bool = False,
    now: datetime,
) -> list[UploadAnswer]:
    """Say for each object whether and how it shall be sent.

    `in_parts`: the client can send large objects in parts. `always_in_parts`: it can do nothing else,
    and wants to hear of objects that are stored already too. `only_here`: no address of the object
    store is given out, because the client would send its credentials along, or sends the bytes another way.

    Raises: what `require_bring` raises, TooManyObjects, StorageQuotaExceeded, Interrupted.
    """
    repository_policies.require_bring(actor, repository)
    if len(wanted) > BATCH_MAX:
        raise TooManyObjects(limit=BATCH_MAX, count=len(wanted))
    known = links.usable(repository.pk, actor, [each.oid for each in wanted])
    fresh = {each.oid: each.size_bytes for each in wanted if each.oid not in known}
    proposer = quotas.proposer_of(actor, repository)
    quotas.require_room_to_bring(proposer, repository, sum(fresh.values()))
    # One answer names one way of sending, so one large object puts all the others into parts too.
    parts = always_in_parts or (
        in_parts and any(size > settings.LFS_PARTS_ABOVE_BYTES for size in fresh.values())
    )
    parts_each = max(1, PARTS_ANSWERED // max(1, len(wanted if always_in_parts else fresh)))
    parts_left = PARTS_ANSWERED_MAX
    slots = []
    for each in wanted:
        size = known.get(each.oid)
        if size is not None and size != each.size_bytes:
            slots.append(UploadAnswer(each, refusal=SizeMismatch(actual=each.size_bytes, expected=size)))
        elif size is not None and not always_in_parts:
            slots.append(UploadAnswer(each, is_stored=True))
        elif only_here:
            slots.append(UploadAnswer(each))
        elif parts_left <= 0:
            slots.append(UploadAnswer(each, refusal=TooManyParts(limit=PARTS_ANSWERED_MAX)))
        else:
            slot = _upload_answer(actor, repository, each, parts_max=parts_each if parts else 0, now=now)
            parts_left -= slot.upload.parts_count if slot.upload is not None else 0
            slots.append(slot)
    return slots


def _upload_answer(
    actor: Principal, repository: Repository, wanted: NamedObject, *, parts_max: int, now: datetime
) -> UploadAnswer:
    """`parts_max` 0: the object is sent whole."""
    store, in_parts = get_store(), bool(parts_max)
    expires = settings.LFS_GRANT_SECONDS
    if not in_parts:
        upload = LfsUpload(repository=repository, user=actor.user, oid=wanted.oid, part_bytes=0)
        if store.presign_put(upload.staging_key, expires_seconds=expires) is None:
            return UploadAnswer(wanted)
    upload = _upload(actor, repository, wanted, parts_max=parts_max, now=now)
    if not upload.part_bytes:
        url = store.presign_put(upload.staging_key, expires_seconds=expires)
        return UploadAnswer(wanted, upload=upload, url=url or "")
    urls = [
        store.presign_part(upload.staging_key, upload.store_upload_id, number, expires_seconds=expires)
        for number in range(1, upload.parts_count + 1)
    ]
    return UploadAnswer(wanted, upload=upload, part_urls=tuple(url for url in urls if url))


def _upload(
    actor: Principal, repository: Repository, wanted: NamedObject, *, parts_max: int, now: datetime
) -> LfsUpload:
    """Continue the user's upload of this object to the repository, or begin one.

    A user cannot continue another user's upload: everybody who reads a public repository may propose, so a
    stranger could otherwise damage its parts, or discard them by naming another size. If one user begins two
    at the same moment, both requests get the first row; the store upload of the other is deleted later.
    """
    store, in_parts = get_store(), bool(parts_max)
    own = LfsUpload.objects.filter(repository=repository, user=actor.user, oid=wanted.oid)
    old = own.first()
    if old is not None and (bool(old.part_bytes) != in_parts or old.size_bytes != wanted.size_bytes):
        discard(old)
        old = None
    if old is not None and in_parts:
        try:
            store.list_parts(old.staging_key, old.store_upload_id)
        except UploadMissing:
            if not store.exists(old.staging_key):
                discard(old)
                old = None
    if old is not None:
        return old
    new = LfsUpload(
        repository=repository,
        user=actor.user,
        oid=wanted.oid,
        size_bytes=wanted.size_bytes,
        part_bytes=part_bytes(wanted.size_bytes, parts_max=parts_max) if in_parts else 0,
        created_at=now,
    )
    if in_parts:
        new.store_upload_id = store.create_upload(new.staging_key)
    LfsUpload.objects.bulk_create([new], ignore_conflicts=True)
    found = own.first()
    if found is None:
        # The other request's upload was finished, or swept, in this very moment.
        raise Interrupted(retry_after_s=1)
    return found


def part_bytes(size_bytes: int, *, parts_max: int = PARTS_MAX) -> int:
    """Choose the size of a part: small enough to send again, large enough for so many to do.

    No part has more than PART_BYTES_MAX, so of a very large object there may be more; but 10,000 at most.
    """
    needed = max(-(-size_bytes // PARTS_MAX), min(-(-size_bytes // parts_max), PART_BYTES_MAX))
    if needed <= settings.LFS_PART_BYTES:
        return settings.LFS_PART_BYTES
    return -(-needed // MIB) * MIB


def negotiate_download(
    *, actor: Principal, repository: Repository, wanted: Sequence[NamedObject]
) -> list[DownloadAnswer]:
    """Say for each object whether the repository has it.

    Raises: what `require_content` raises, TooManyObjects.
    """
    repository_policies.require_content(actor, repository)
    if len(wanted) > BATCH_MAX:
        raise TooManyObjects(limit=BATCH_MAX, count=len(wanted))
    stored = objects_of(repository_id=repository.pk, oids=[each.oid for each in wanted])
    return [
        DownloadAnswer(each, found if found is not None and found.has_bytes else None)
        for each in wanted
        for found in [stored.get(each.oid)]
    ]


def receive_object(*, grant: Grant, read: Callable[[int], bytes], now: datetime) -> LfsObject:
    """Take in the bytes of one object. Nothing is kept of what does not hash to its oid.

    Raises: GrantRefused, what `require_bring` raises, StorageQuotaExceeded, SizeMismatch, HashMismatch,
    StorageFull.
    """
    repository = _require_repository(grant, now)
    storing.require_room_on_disk(grant.size_bytes)
    with temporary_file(storing.TEMPORARY_PREFIX) as file:
        path = Path(file.name)
        storing.receive(read, path, oid=grant.oid, size_bytes=grant.size_bytes)
        return storing.keep_file(
            repository_id=grant.repository_id,
            path=path,
            oid=grant.oid,
            size_bytes=grant.size_bytes,
            now=now,
            proposer=quotas.proposer_of(_holder(grant, now), repository),
        )


def receive_part(*, grant: Grant, read: Callable[[int], bytes], now: datetime) -> Part:
    """Take in one part of an upload; its hash is checked when the whole is there.

    Raises: UploadMissing, GrantRefused, what `require_bring` raises, SizeMismatch, StorageFull.
    """
    _require_repository(grant, now)
    upload = LfsUpload.objects.filter(pk=grant.upload_id, oid=grant.oid).first()
    if upload is None or not 1 <= grant.part <= upload.parts_count:
        raise UploadMissing
    expected = upload.part_size(grant.part)
    storing.require_room_on_disk(expected)
    with temporary_file(storing.TEMPORARY_PREFIX) as file:
        count = 0
        while chunk := read(storing.CHUNK_BYTES):
            count += len(chunk)
            if count > expected:
                break
            file.write(chunk)
        file.flush()
        if count != expected:
            raise SizeMismatch(actual=count, expected=expected)
        return get_store().put_part(upload.staging_key, upload.store_upload_id, grant.part, Path(file.name))


def complete_upload(*, grant: Grant, parts: Sequence[Part], now: datetime) -> LfsObject:
    """Join the parts of an upload into the object. Completing it again does no harm.

    Raises: UploadMissing, InvalidPart, GrantRefused, what `require_bring` raises, SizeMismatch,
    HashMismatch, StorageQuotaExceeded.
    """
    _require_repository(grant, now)
    upload = LfsUpload.objects.filter(pk=grant.upload_id, oid=grant.oid).first()
    if upload is None:
        return _finished_before(grant)
    store = get_store()
    if not store.exists(upload.staging_key):
        if len(parts) != upload.parts_count:
            raise SizeMismatch(actual=sum(part.size_bytes for part in parts), expected=upload.size_bytes)
        store.complete_upload(upload.staging_key, upload.store_upload_id, parts)
    return _finish(upload, now)


def verify_object(*, grant: Grant, now: datetime) -> LfsObject:
    """Confirm that an object is stored. One sent straight to the store is read and checked here.

    Raises: ObjectNotFound, GrantRefused, what `require_bring` raises, SizeMismatch, HashMismatch,
    StorageQuotaExceeded.
    """
    _require_repository(grant, now)
    upload = LfsUpload.objects.filter(pk=grant.upload_id, oid=grant.oid).first() if grant.upload_id else None
    if upload is not None and get_store().exists(upload.staging_key):
        return _finish(upload, now)
    return _finished_before(grant)


def _finished_before(grant: Grant) -> LfsObject:
    found = get_object(repository_id=grant.repository_id, oid=grant.oid)
    if found.size_bytes != grant.size_bytes:
        raise SizeMismatch(actual=grant.size_bytes, expected=found.size_bytes)
    return found


def _finish(upload: LfsUpload, now: datetime) -> LfsObject:
    """Make an object of staged bytes if they hash to its oid; else throw them away."""
    store = get_store()
    try:
        with store.open(upload.staging_key) as reader:
            storing.require_hash(reader, oid=upload.oid, size_bytes=upload.size_bytes)
    except (HashMismatch, SizeMismatch):
        discard(upload)
        raise
    key = storing.new_blob_key(upload.oid)
    store.move(upload.staging_key, key)
    stored = storing.record(
        repository_id=upload.repository_id,
        oid=upload.oid,
        size_bytes=upload.size_bytes,
        blob_key=key,
        now=now,
        proposer=quotas.proposer_of(Principal(user=upload.user), upload.repository),
    )
    upload.delete()
    return stored


def discard(upload: LfsUpload) -> None:
    """Forget an upload and its bytes."""
    store = get_store()
    if upload.store_upload_id:
        store.abort_upload(upload.staging_key, upload.store_upload_id)
    store.delete(upload.staging_key)
    LfsUpload.objects.filter(pk=upload.pk).delete()


def share_objects(
    *, actor: Principal, source: Repository, target: Repository, oids: Sequence[str], now: datetime
) -> list[str]:
    """Let one repository use another's objects, as if their bytes had been sent; return the oids it has not.

    Raises: what `require_content` raises for the source and `require_bring` for the target,
    StorageQuotaExceeded.
    """
    repository_policies.require_content(actor, source)
    repository_policies.require_bring(actor, target)
    sizes = links.usable(source.pk, None, oids)
    known = links.usable(target.pk, None, list(sizes))
    proposer = quotas.proposer_of(actor, target)
    needed = sum(size for oid, size in sizes.items() if oid not in known)
    with transaction.atomic(durable=True):
        locked = locking.lock_for_bytes(target.pk, proposer=proposer)
        quotas.require_room_to_bring(proposer, target, needed)
        for stored in LfsObject.objects.select_for_update().filter(pk__in=sizes).order_by("pk"):
            links.link_received(locked, stored, now, proposer=proposer)
    return [oid for oid in oids if oid not in sizes]


def fetch_object(*, grant: Grant, now: datetime) -> LfsObject:
    """The object that a signed address leads to, if its holder may still fetch it.

    Raises: GrantRefused, what `require_content` raises, ObjectNotFound.
    """
    repository = Repository.objects.live().with_owner().filter(pk=grant.repository_id).first()
    if repository is None:
        raise RepositoryNotFound(repo_id=str(grant.repository_id))
    repository_policies.require_content(_holder(grant, now), repository)
    return get_object(repository_id=repository.pk, oid=grant.oid)


def _holder(grant: Grant, now: datetime) -> Principal:
    """Raises: GrantRefused when the user or the token is gone."""
    actor = accounts.principal_by_ids(user_id=grant.user_id, token_id=grant.token_id, now=now)
    if actor is None:
        raise GrantRefused
    return actor


def _require_repository(grant: Grant, now: datetime) -> Repository:
    """The repository of an upload's grant, if its holder may still bring bytes and there is room.

    It may have been deleted, hidden, archived or filled since, and the holder's rights taken away.
    Raises: GrantRefused, what `require_bring` raises, StorageQuotaExceeded.
    """
    repository = Repository.objects.live().with_owner().filter(pk=grant.repository_id).first()
    if repository is None:
        raise RepositoryNotFound(repo_id=str(grant.repository_id))
    holder = _holder(grant, now)
    repository_policies.require_bring(holder, repository)
    if grant.oid not in links.usable(repository.pk, None, [grant.oid]):
        proposer = quotas.proposer_of(holder, repository)
        quotas.require_room_to_bring(proposer, repository, grant.size_bytes)
    return repository
