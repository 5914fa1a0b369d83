"""Use cases of collections."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from foundation.database.conflicts import duplicate_as
from foundation.errors import Invalid
from foundation.held_rows import held_row
from hub.accounts import policies as accounts
from hub.accounts import selectors as namespaces
from hub.accounts.models import Namespace, Role
from hub.accounts.principals import Principal
from hub.community import policies
from hub.community.errors import (
    CollectionExists,
    CollectionFull,
    CollectionItemExists,
    CollectionItemNotFound,
    CollectionNotFound,
    LinkedNotFound,
)
from hub.community.models import Collection, CollectionItem, CollectionUpvote, ItemType, Theme
from hub.community.models.collections import (
    COLLECTION_DESCRIPTION_CHARS_MAX,
    COLLECTION_TITLE_CHARS_MAX,
    ITEMS_MAX,
    NOTE_CHARS_MAX,
)
from hub.community.selectors import collections as selectors
from hub.repos import selectors as repos

PAPER = re.compile(r"\d{4}\.\d{4,5}(?:v\d+)?|[a-z-]+/\d{7}")
LockedCollection = NewType("LockedCollection", Collection)
Ordered = Collection | CollectionItem


@dataclass(frozen=True, slots=True)
class NewCollection:
    """`namespace` is a name: the actor's own, or an organization's."""

    namespace: str
    title: str
    description: str = ""
    is_private: bool = False


def create_collection(*, actor: Principal, request: NewCollection, now: datetime) -> Collection:
    """Raises: Unauthenticated, NamespaceNotFound, NamespaceDenied, Invalid, CollectionExists."""
    namespace = namespaces.get_namespace(request.namespace)
    accounts.require_role(actor, namespace, Role.WRITE)
    title, description = _title(request.title), _description(request.description)
    with transaction.atomic(durable=True):
        held_row(Namespace.objects.select_for_update().filter(pk=namespace.pk))
        _require_free(namespace, title)
        last = Collection.objects.filter(namespace=namespace).aggregate(last=Max("position"))["last"]
        return Collection.objects.create(
            namespace=namespace,
            title=title,
            description=description,
            is_private=request.is_private,
            position=0 if last is None else last + 1,
            created_by=actor.user,
            created_at=now,
            updated_at=now,
        )


@dataclass(frozen=True, slots=True)
class CollectionChange:
    """Fields that can be changed; None leaves a field as it is."""

    title: str | None = None
    description: str | None = None
    is_private: bool | None = None
    theme: str | None = None
    position: int | None = None


def change_collection(
    *, actor: Principal, collection: Collection, change: CollectionChange, now: datetime
) -> Collection:
    """Raises: NamespaceDenied, Invalid, CollectionExists."""
    policies.require_change_collection(actor, collection)
    if change.theme is not None and change.theme not in Theme.values:
        raise Invalid(reason=f"theme is one of {', '.join(Theme.values)}.")
    with transaction.atomic(durable=True):
        locked = _lock(collection)
        if change.title is not None:
            locked.title = _title(change.title)
            _require_free(locked.namespace, locked.title, besides=locked)
        if change.description is not None:
            locked.description = _description(change.description)
        if change.is_private is not None:
            locked.is_private = change.is_private
        if change.theme is not None:
            locked.theme = change.theme
        locked.updated_at = now
        locked.save()
        if change.position is not None:
            others = Collection.objects.filter(namespace=locked.namespace).exclude(pk=locked.pk)
            locked.position = _reorder(list(others.order_by("position", "id")), locked, change.position)
    return locked


def delete_collection(*, actor: Principal, collection: Collection) -> None:
    """Raises: NamespaceDenied."""
    policies.require_change_collection(actor, collection)
    with transaction.atomic(durable=True):
        collection.delete()


def add_item(
    *, actor: Principal, collection: Collection, type_: str, item_id: str, note: str = "", now: datetime
) -> CollectionItem:
    """Put an item at the end. An item that the actor may not see cannot be added.

    Raises: NamespaceDenied, Invalid, RepositoryNotFound, CollectionNotFound, LinkedNotFound,
    CollectionItemExists, CollectionFull.
    """
    policies.require_change_collection(actor, collection)
    item = CollectionItem(collection=collection, type=type_, note=_note(note), created_at=now)
    _point(actor, item, item_id)
    with transaction.atomic(durable=True):
        locked = _lock(collection)
        positions = list(locked.items.values_list("position", flat=True))
        if len(positions) >= ITEMS_MAX:
            raise CollectionFull(limit=ITEMS_MAX)
        item.position = max(positions, default=-1) + 1
        with duplicate_as(lambda: CollectionItemExists(item_id=item_id)):
            item.save(force_insert=True)
        _touch(locked, now)
    return item


def _point(actor: Principal, item: CollectionItem, item_id: str) -> None:
    """Raises: Invalid, RepositoryNotFound, CollectionNotFound, LinkedNotFound."""
    if item.type in {ItemType.MODEL, ItemType.DATASET, ItemType.SPACE}:
        item.repository = repos.get_repository(actor=actor, kind=item.type, repo_id=item_id)
    elif item.type == ItemType.COLLECTION:
        item.linked = selectors.get_collection(actor=actor, slug=item_id)
        if item.linked.pk == item.collection_id:
            raise Invalid(reason=_("A collection cannot hold itself."))
    elif item.type == ItemType.PAPER and PAPER.fullmatch(item_id):
        item.paper = item_id
    elif item.type in ItemType.values or item.type == "bucket":
        raise LinkedNotFound(type=item.type, item_id=item_id[:100])
    else:
        raise Invalid(reason=f"An item's type is one of {', '.join(ItemType.values)}.")


def change_item(
    *,
    actor: Principal,
    collection: Collection,
    key: str,
    note: str | None = None,
    position: int | None = None,
    now: datetime,
) -> CollectionItem:
    """Raises: NamespaceDenied, CollectionItemNotFound, Invalid."""
    policies.require_change_collection(actor, collection)
    with transaction.atomic(durable=True):
        locked = _lock(collection)
        item = _item(locked, key)
        if note is not None:
            item.note = _note(note)
            item.save(update_fields=["note"])
        if position is not None:
            others = locked.items.exclude(pk=item.pk).order_by("position", "id")
            item.position = _reorder(list(others), item, position)
        _touch(locked, now)
    return item


def remove_item(*, actor: Principal, collection: Collection, key: str, now: datetime) -> None:
    """Raises: NamespaceDenied, CollectionItemNotFound."""
    policies.require_change_collection(actor, collection)
    with transaction.atomic(durable=True):
        locked = _lock(collection)
        _item(locked, key).delete()
        _touch(locked, now)


def set_upvote(*, actor: Principal, collection: Collection, is_upvoted: bool, now: datetime) -> int:
    """Vote for a collection, once, or take the vote back; returns how many votes it has.

    Raises: Unauthenticated, ScopeMissing.
    """
    policies.require_personal(actor)
    assert actor.user is not None
    with transaction.atomic(durable=True):
        locked = _lock(collection)
        votes = CollectionUpvote.objects.filter(collection=locked, user=actor.user)
        if is_upvoted and not votes.exists():
            CollectionUpvote.objects.create(collection=locked, user=actor.user, created_at=now)
        elif not is_upvoted:
            votes.delete()
        locked.upvotes = locked.upvote_rows.count()
        locked.save(update_fields=["upvotes"])
    return locked.upvotes


def _lock(collection: Collection) -> LockedCollection:
    """Step: the row as it is now. Raises: CollectionNotFound when it went meanwhile."""
    found = (
        Collection.objects.select_for_update(of=("self",))
        .select_related("namespace")
        .filter(pk=collection.pk)
        .first()
    )
    if found is None:
        raise CollectionNotFound(slug=collection.slug)
    return LockedCollection(found)


def _item(collection: LockedCollection, key: str) -> CollectionItem:
    """Raises: CollectionItemNotFound."""
    found = collection.items.filter(key=key).first()
    if found is None:
        raise CollectionItemNotFound
    return found


def _reorder(others: Sequence[Ordered], moved: Ordered, position: int) -> int:
    """Step: number the rows 0, 1, 2, … with `moved` at `position`, clamped; returns where it is now."""
    place = max(0, min(position, len(others)))
    ordered = [*others[:place], moved, *others[place:]]
    for number, row in enumerate(ordered):
        if row.position != number:
            row.position = number
            row.save(update_fields=["position"])
    return place


def _touch(collection: LockedCollection, now: datetime) -> None:
    Collection.objects.filter(pk=collection.pk).update(updated_at=now)


def _require_free(namespace: Namespace, title: str, *, besides: Collection | None = None) -> None:
    """Raises: CollectionExists."""
    taken = Collection.objects.select_related("namespace").filter(namespace=namespace, title=title)
    if besides is not None:
        taken = taken.exclude(pk=besides.pk)
    found = taken.first()
    if found is not None:
        raise CollectionExists(slug=found.slug)


def _title(text: str) -> str:
    """Raises: Invalid."""
    text = " ".join(text.split())
    if not 1 <= len(text) <= COLLECTION_TITLE_CHARS_MAX:
        raise Invalid(
            reason=_("A collection's title has 1 to {limit} characters.").format(
                limit=COLLECTION_TITLE_CHARS_MAX
            )
        )
    return text


def _description(text: str) -> str:
    """Raises: Invalid."""
    if len(text) > COLLECTION_DESCRIPTION_CHARS_MAX:
        raise Invalid(
            reason=_("A description has at most {limit} characters.").format(
                limit=COLLECTION_DESCRIPTION_CHARS_MAX
            )
        )
    return text


def _note(text: str) -> str:
    """Raises: Invalid."""
    if len(text) > NOTE_CHARS_MAX:
        raise Invalid(reason=_("A note has at most {limit} characters.").format(limit=NOTE_CHARS_MAX))
    return text
