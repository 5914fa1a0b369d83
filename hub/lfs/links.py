"""Steps that say which repository may use which object."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from itertools import islice

from django.db.models import F, Q
from django.utils.translation import ngettext

from hub.accounts.principals import Principal
from hub.lfs.errors import ObjectsMissing
from hub.lfs.models import LfsLink, LfsObject
from hub.repos import policies as repository_policies
from hub.repos.models import Repository
from hub.xet import registration

# SQLite takes 32,766 parameters in a statement and slows down long before.
BATCH = 500
LISTED_MAX = 5


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


def require_stored(repository_id: int, actor: Principal | None, oids: Collection[str]) -> dict[str, int]:
    """As `usable`, for all of `oids`. Raises: ObjectsMissing."""
    found = usable(repository_id, actor, oids)
    missing = sorted(set(oids) - found.keys())
    if missing:
        listed = ", ".join(missing[:LISTED_MAX])
        more = len(missing) - LISTED_MAX
        if more > 0:
            listed += ngettext(" and %(count)d more", " and %(count)d more", more) % {"count": more}
        raise ObjectsMissing(listed=listed, oids=missing)
    return found


def link(repository_id: int, oids: Iterable[str], now: datetime) -> int:
    """Let a repository use objects that a commit of its names; return the bytes this adds to it.

    Run it in a transaction. Objects that are not stored are passed over: ask `require_stored` first.
    """
    added = 0
    for batch in batches(set(oids)):
        stored = dict(
            LfsObject.objects.select_for_update(of=("self",))
            .filter(pk__in=batch)
            .order_by("pk")
            .values_list("pk", "size_bytes")
        )
        known = set(
            LfsLink.objects.filter(repository_id=repository_id, object_id__in=stored).values_list(
                "object_id", flat=True
            )
        )
        LfsLink.objects.filter(repository_id=repository_id, object_id__in=known, pushed_at=None).update(
            pushed_at=now
        )
        new = [oid for oid in stored if oid not in known]
        LfsLink.objects.bulk_create(
            (
                LfsLink(repository_id=repository_id, object_id=oid, created_at=now, pushed_at=now)
                for oid in new
            ),
            ignore_conflicts=True,
        )
        LfsObject.objects.filter(pk__in=stored).update(touched_at=now)
        registration.link_files(_chunked(new), repository_id)
        added += sum(stored[oid] for oid in new)
    _grow(repository_id, added)
    return added


def link_received(repository_id: int, stored: LfsObject, now: datetime) -> None:
    """Let a repository use an object whose bytes its writer has just sent. Run it in a transaction."""
    _, created = LfsLink.objects.get_or_create(
        repository_id=repository_id, object=stored, defaults={"created_at": now}
    )
    if stored.xet_file_id is not None:
        registration.link_files([stored.xet_file_id], repository_id)
    if created:
        _grow(repository_id, stored.size_bytes)


def unlink(repository_id: int, oids: Iterable[str]) -> int:
    """Take objects away from a repository; return the bytes this frees in it. Run it in a transaction.

    The bytes themselves go when nobody links them any more and the grace period is over.
    """
    freed = 0
    for batch in batches(set(oids)):
        gone = LfsLink.objects.select_for_update(of=("self",)).filter(
            repository_id=repository_id, object_id__in=batch
        )
        sizes = dict(gone.values_list("pk", "object__size_bytes"))
        registration.unlink_files(_chunked(gone.values_list("object_id", flat=True)), repository_id)
        LfsLink.objects.filter(pk__in=sizes).delete()
        freed += sum(sizes.values())
    _grow(repository_id, -freed)
    return freed


def copy(source_id: int, target_id: int, now: datetime) -> int:
    """Let a duplicate use what its source uses; return the bytes this adds. Run it in a transaction."""
    oids = LfsLink.objects.filter(~Q(pushed_at=None), repository_id=source_id).values_list(
        "object_id", flat=True
    )
    return link(target_id, list(oids), now)


def _chunked(oids: Iterable[str]) -> list[int]:
    """The Xet files of those objects that have one; the Xet store keeps the same links for its own doors."""
    chunked = LfsObject.objects.filter(pk__in=list(oids), xet_file__isnull=False)
    return list(chunked.values_list("xet_file_id", flat=True))


def _grow(repository_id: int, size_bytes: int) -> None:
    if size_bytes:
        Repository.objects.filter(pk=repository_id).update(size_bytes=F("size_bytes") + size_bytes)


def batches(oids: Iterable[str]) -> Iterator[list[str]]:
    """Lists of at most `BATCH` oids."""
    rest = iter(oids)
    while batch := list(islice(rest, BATCH)):
        yield batch
