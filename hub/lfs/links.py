"""Steps that say which repository may use which object."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from django.db.models import F, Q

from foundation.batches import batches
from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.lfs.models import LfsLink, LfsObject
from hub.repos import policies as repository_policies
from hub.repos import quotas
from hub.repos.locking import LockedRepository
from hub.repos.models import Repository
from hub.xet import registration


def usable(repository_id: int, actor: Principal | None, oids: Collection[str]) -> dict[str, int]:
    """Return oid → size in bytes of those objects that a commit to this repository may name.

    Knowing a hash is not enough: the repository is linked to the object already, or the actor can
    read the content of some repository that is. `None` for the actor asks for links only.
    """
    found: dict[str, int] = {}
    others = (
        Repository.objects.live().filter(repository_policies.content_readable_by(actor)).values("pk")
        if actor is not None
        else None
    )
    for batch in batches(oids):
        own = LfsLink.objects.filter(object_id__in=batch, repository_id=repository_id)
        found.update(own.values_list("object_id", "object__size_bytes"))
        rest = [oid for oid in batch if oid not in found]
        if rest and others is not None:
            elsewhere = LfsLink.objects.filter(object_id__in=rest, repository_id__in=others)
            found.update(elsewhere.values_list("object_id", "object__size_bytes"))
    return found


def link(
    repository: LockedRepository, oids: Iterable[str], now: datetime, *, proposer: User | None = None
) -> int:
    """Let a repository use objects that a commit of its names; return the bytes this adds to it.

    With a proposer the commit is a proposal: new links count against them. Without one the repository
    takes over what others proposed before. Objects that are not stored are passed over: ask
    `usable` first. Raises: StorageQuotaExceeded, when there is no room to take over.
    """
    added = 0
    for batch in batches(sorted(set(oids))):
        stored = _lock_objects(batch)
        mine = LfsLink.objects.filter(repository=repository, object_id__in=stored)
        known = set(mine.values_list("object_id", flat=True))
        mine.filter(pushed_at=None).update(pushed_at=now)
        new = [oid for oid in stored if oid not in known]
        LfsLink.objects.bulk_create(
            LfsLink(repository=repository, object_id=oid, created_at=now, pushed_at=now, proposer=proposer)
            for oid in new
        )
        LfsObject.objects.filter(pk__in=stored).update(touched_at=now)
        registration.link_files(_chunked(new), repository.pk)
        if proposer is None:
            added += sum(stored[oid] for oid in new) + _take_over(repository, stored)
    _grow(repository, added)
    return added


def _take_over(repository: LockedRepository, stored: Mapping[str, int]) -> int:
    """Step: charge the repository with what was a proposal; return the bytes.

    Raises: StorageQuotaExceeded.
    """
    proposals = LfsLink.objects.filter(repository=repository, object_id__in=stored).exclude(proposer=None)
    size = sum(stored[oid] for oid in proposals.values_list("object_id", flat=True))
    if size:
        quotas.require_room_for_bytes(repository.namespace, size)
        proposals.update(proposer=None)
    return size


def proposed_in(repository: Repository) -> frozenset[str]:
    """The oids that count against those who proposed them."""
    proposals = LfsLink.objects.filter(repository=repository).exclude(proposer=None)
    return frozenset(proposals.values_list("object_id", flat=True))


def link_received(
    repository: LockedRepository, stored: LfsObject, now: datetime, *, proposer: User | None = None
) -> None:
    """Let a repository use an object, held too, whose bytes were just sent: by a writer, or by a proposer,
    against whom they count then.
    """
    _, created = LfsLink.objects.get_or_create(
        repository=repository, object=stored, defaults={"created_at": now, "proposer": proposer}
    )
    if stored.xet_file_id is not None:
        registration.link_files([stored.xet_file_id], repository.pk)
    if proposer is not None:
        return
    if created:
        _grow(repository, stored.size_bytes)
    else:
        _grow(repository, _take_over(repository, {stored.pk: stored.size_bytes}))


def unlink(repository: LockedRepository, oids: Iterable[str]) -> int:
    """Take objects away from a repository; return the bytes this frees in it.

    The bytes are deleted when no repository links them and the grace period is over.
    """
    freed = 0
    for batch in batches(sorted(set(oids))):
        stored = _lock_objects(batch)
        gone = LfsLink.objects.filter(repository=repository, object_id__in=stored)
        freed += sum(stored[oid] for oid in gone.filter(proposer=None).values_list("object_id", flat=True))
        registration.unlink_files(_chunked(stored), repository.pk)
        gone.delete()
    _grow(repository, -freed)
    return freed


def copy(source: Repository, target: LockedRepository, now: datetime) -> int:
    """Let a duplicate use what its source uses; return the bytes this adds."""
    oids = LfsLink.objects.filter(~Q(pushed_at=None), repository=source).values_list("object_id", flat=True)
    return link(target, list(oids), now)


def _lock_objects(oids: Iterable[str]) -> dict[str, int]:
    """Hold objects, in the order of their oids; links are written under this lock alone. oid → bytes."""
    held = LfsObject.objects.select_for_update().filter(pk__in=oids).order_by("pk")
    return dict(held.values_list("pk", "size_bytes"))


def _chunked(oids: Iterable[str]) -> list[int]:
    """The Xet files of those objects that have one; the Xet store keeps the same links for its own doors."""
    chunked = LfsObject.objects.filter(pk__in=list(oids), xet_file__isnull=False)
    return list(chunked.values_list("xet_file_id", flat=True))


def _grow(repository: LockedRepository, size_bytes: int) -> None:
    if size_bytes:
        Repository.objects.filter(pk=repository.pk).update(size_bytes=F("size_bytes") + size_bytes)
