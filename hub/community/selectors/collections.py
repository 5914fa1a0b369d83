"""Reads of collections. Everything here is already narrowed to what the actor may know of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from django.db.models import Exists, OuterRef, Q, QuerySet

from foundation import hex_digits
from hub.accounts.principals import Principal
from hub.community import policies
from hub.community.errors import CollectionNotFound
from hub.community.models import Collection, CollectionItem, CollectionUpvote, ItemType
from hub.repos import policies as repos
from hub.repos.models import Repository

KEY_AT_END = re.compile(rf"(?:^|[-/])({hex_digits.pattern(24)})$")
SORTS = {
    "lastModified": ("-updated_at", "-id"),
    "trending": ("-upvotes", "-updated_at", "-id"),
    "upvotes": ("-upvotes", "-id"),
}


def get_collection(*, actor: Principal, slug: str) -> Collection:
    """By `owner/any-words-key`: titles change, so only the key counts.

    Raises: CollectionNotFound for the missing and the hidden alike.
    """
    match = KEY_AT_END.search(slug)
    found = readable(actor).filter(key=match[1]).first() if match else None
    if found is None:
        raise CollectionNotFound(slug=slug[:200])
    return found


def readable(actor: Principal) -> QuerySet[Collection]:
    return Collection.objects.select_related("namespace").filter(policies.collections_readable_by(actor))


def list_collections(
    *,
    actor: Principal,
    owners: Sequence[str] = (),
    items: Iterable[tuple[str, str]] = (),
    search: str = "",
    sort: str = "lastModified",
) -> QuerySet[Collection]:
    """By owner names and by what they hold, (type, id) each; several of one kind mean any of them."""
    found = readable(actor)
    if owners:
        found = found.filter(namespace__key__in=[owner.lower() for owner in owners])
    wanted = [_holds(actor, type_, item_id) for type_, item_id in items]
    if wanted:
        anyof = wanted[0]
        for more in wanted[1:]:
            anyof |= more
        found = found.filter(Exists(CollectionItem.objects.filter(anyof, collection=OuterRef("pk"))))
    if search:
        found = found.filter(Q(title__icontains=search) | Q(description__icontains=search))
    return found.order_by(*SORTS.get(sort, SORTS["lastModified"]))


def _holds(actor: Principal, type_: str, item_id: str) -> Q:
    if type_ == ItemType.PAPER:
        return Q(paper=item_id)
    if type_ == ItemType.COLLECTION:
        match = KEY_AT_END.search(item_id)
        return Q(linked__key=match[1] if match else "")
    namespace, _, name = item_id.lower().partition("/")
    here = Repository.objects.live().filter(repos.readable_by(actor))
    return Q(repository__in=here.filter(kind=type_, namespace__key=namespace, key=name))


def items_of(
    *, actor: Principal, collections: Sequence[Collection], each: int | None = None
) -> dict[int, list[CollectionItem]]:
    """Collection id → what of it the actor may know of, in order; at most `each` of every collection."""
    found: dict[int, list[CollectionItem]] = {collection.pk: [] for collection in collections}
    live = Repository.objects.live().filter(repos.readable_by(actor))
    rows = (
        CollectionItem.objects.filter(collection__in=found)
        .filter(Q(repository=None) | Q(repository__in=live))
        .filter(
            Q(linked=None) | Q(linked__in=Collection.objects.filter(policies.collections_readable_by(actor)))
        )
        .select_related("repository__namespace", "linked__namespace")
        .order_by("collection_id", "position", "id")
    )
    for row in rows:
        kept = found[row.collection_id]
        if each is None or len(kept) < each:
            kept.append(row)
    return found


def is_upvoted(*, actor: Principal, collection: Collection) -> bool:
    return (
        actor.user_id is not None
        and CollectionUpvote.objects.filter(collection=collection, user_id=actor.user_id).exists()
    )
