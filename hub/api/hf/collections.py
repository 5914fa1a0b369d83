"""Collections (docs/wire/huggingface.md#collections)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from foundation.errors import Invalid, Unsupported
from foundation.hex_digits import row_id
from foundation.paging import Size
from hub.api.hf import bodies
from hub.api.hf.account import avatar_url
from hub.api.hf.http import actor, endpoint, repeated, route, with_next
from hub.api.hf.paging import slice_of
from hub.api.json import json_response, timestamp
from hub.api.structs import body_of
from hub.community.errors import CollectionExists
from hub.community.models import Collection, CollectionItem, ItemType
from hub.community.selectors import collections as selectors
from hub.community.services import collections as services
from hub.markup import render
from hub.repos.kinds import KIND_OF
from hub.repos.models import Repository

PREVIEWED = 4
SIZE = Size(default=100, most=1000)


def _collection(
    request: HttpRequest, found: Collection, items: list[CollectionItem], *, is_whole: bool
) -> dict[str, Any]:
    """`position` is left out of lists: the client passes its own beside it, and twice is an error."""
    row: dict[str, Any] = {
        "_id": found.key,
        "slug": found.slug,
        "title": found.title,
        "description": found.description,
        "gating": False,
        "lastUpdated": timestamp(found.updated_at),
        "owner": {
            "_id": row_id(found.namespace_id),
            "name": found.namespace.name,
            "fullname": found.namespace.full_name or found.namespace.name,
            "avatarUrl": avatar_url(request, found.namespace.name),
            "type": "org" if found.namespace.is_organization else "user",
            "isPro": False,
        },
        "items": _items(items),
        "theme": found.theme,
        "private": found.is_private,
        "upvotes": found.upvotes,
        "isUpvotedByUser": is_whole and selectors.is_upvoted(actor=actor(request), collection=found),
        "shareUrl": f"{endpoint(request)}/collections/{found.slug}",
    }
    if is_whole:
        row["position"] = found.position
    return row


def _items(items: Sequence[CollectionItem]) -> list[dict[str, Any]]:
    notes = render.markdown_all([item.note for item in items])
    return [_item(item, note) for item, note in zip(items, notes, strict=True)]


def _item(item: CollectionItem, note: str) -> dict[str, Any]:
    row: dict[str, Any] = {"_id": item.key, "type": item.type, "position": item.position}
    if item.note:
        row["note"] = {"text": item.note, "html": note}
    if item.repository is not None:
        return row | _repository(item.repository)
    if item.linked is not None:
        return row | {
            "id": item.linked.key,
            "slug": item.linked.slug,
            "title": item.linked.title,
            "upvotes": item.linked.upvotes,
            "lastUpdated": timestamp(item.linked.updated_at),
        }
    return row | {"id": item.paper, "title": item.paper, "upvotes": 0}


def _repository(found: Repository) -> dict[str, Any]:
    return {
        "id": found.full_name,
        "repoType": found.kind,
        "author": found.namespace.name,
        "gated": found.gating or False,
        "private": found.is_private,
        "lastModified": timestamp(found.updated_at),
        "downloads": found.downloads_30d,
        "likes": found.likes,
    }


def _whole(request: HttpRequest, found: Collection) -> dict[str, Any]:
    items = selectors.items_of(actor=actor(request), collections=[found])[found.pk]
    return _collection(request, found, items, is_whole=True)


def _get(request: HttpRequest, owner: str, slug: str) -> Collection:
    return selectors.get_collection(actor=actor(request), slug=f"{owner}/{slug}")


def index(request: HttpRequest) -> HttpResponse:
    rows = selectors.list_collections(
        actor=actor(request),
        owners=repeated(request, "owner", "owner[]"),
        items=[_wanted(text) for text in repeated(request, "item", "item[]")],
        search=request.GET.get("q", ""),
        sort=request.GET.get("sort", "lastModified"),
    )
    found, more = slice_of(request, rows, size=SIZE)
    items = selectors.items_of(actor=actor(request), collections=found, each=PREVIEWED)
    response = json_response([_collection(request, row, items[row.pk], is_whole=False) for row in found])
    return with_next(request, response, more) if more else response


def _wanted(text: str) -> tuple[str, str]:
    """`models/ns/name` → (type, id). Raises: Invalid."""
    word, _, item_id = text.partition("/")
    type_ = KIND_OF.get(word) or word.removesuffix("s")
    if type_ not in ItemType.values or not item_id:
        raise Invalid(reason=f"“{text[:100]}” does not name an item, such as models/ns/name.")
    return str(type_), item_id


def create(request: HttpRequest) -> HttpResponse:
    body = body_of(request, bodies.NewCollection)
    new = services.NewCollection(
        namespace=actor(request).name if body.namespace is None else body.namespace,
        title=body.title,
        description=body.description or "",
        is_private=bool(body.private),
    )
    try:
        made = services.create_collection(actor=actor(request), request=new, now=timezone.now())
    except CollectionExists as refusal:
        # With `exists_ok` the client reads the slug from this very answer.
        return json_response({"error": str(refusal), "slug": refusal.details["slug"]}, status=409)
    return json_response(_whole(request, made))


def show(request: HttpRequest, owner: str, slug: str) -> HttpResponse:
    return json_response(_whole(request, _get(request, owner, slug)))


def change(request: HttpRequest, owner: str, slug: str) -> HttpResponse:
    found = _get(request, owner, slug)
    body = body_of(request, bodies.CollectionChange)
    changed = services.change_collection(
        actor=actor(request),
        collection=found,
        change=services.CollectionChange(
            title=body.title,
            description=body.description,
            is_private=body.private,
            theme=body.theme,
            position=body.position,
        ),
        now=timezone.now(),
    )
    return json_response({"success": True, "data": _whole(request, changed)})


def delete(request: HttpRequest, owner: str, slug: str) -> HttpResponse:
    services.delete_collection(actor=actor(request), collection=_get(request, owner, slug))
    return json_response({"success": True})


def add_item(request: HttpRequest, owner: str, slug: str) -> HttpResponse:
    found = _get(request, owner, slug)
    body = body_of(request, bodies.NewItem)
    services.add_item(
        actor=actor(request),
        collection=found,
        type_=body.item.type,
        item_id=body.item.id,
        note=body.note or "",
        now=timezone.now(),
    )
    return json_response(_whole(request, _get(request, owner, slug)))


def change_item(request: HttpRequest, owner: str, slug: str, key: str) -> HttpResponse:
    found = _get(request, owner, slug)
    body = body_of(request, bodies.ItemChange)
    item = services.change_item(
        actor=actor(request),
        collection=found,
        key=key,
        note=body.note,
        position=body.position,
        now=timezone.now(),
    )
    return json_response({"success": True, "data": _items([item])[0]})


def remove_item(request: HttpRequest, owner: str, slug: str, key: str) -> HttpResponse:
    found = _get(request, owner, slug)
    services.remove_item(actor=actor(request), collection=found, key=key, now=timezone.now())
    return json_response({"success": True})


def upvote(request: HttpRequest, owner: str, slug: str) -> HttpResponse:
    return _set_upvote(request, _get(request, owner, slug), is_upvoted=True)


def take_upvote_back(request: HttpRequest, owner: str, slug: str) -> HttpResponse:
    return _set_upvote(request, _get(request, owner, slug), is_upvoted=False)


def _set_upvote(request: HttpRequest, found: Collection, *, is_upvoted: bool) -> HttpResponse:
    votes = services.set_upvote(
        actor=actor(request), collection=found, is_upvoted=is_upvoted, now=timezone.now()
    )
    return json_response({"upvotes": votes})


def resource_group(_request: HttpRequest, owner: str, slug: str) -> HttpResponse:
    raise Unsupported(feature="Resource groups")


_one = "api/collections/<name:owner>/<segment:slug>"
urlpatterns = [
    path("api/collections", route(GET=index, POST=create)),
    path(_one, route(GET=show, PATCH=change, DELETE=delete)),
    path(f"{_one}/items", route(POST=add_item)),
    path(f"{_one}/items/<segment:key>", route(PATCH=change_item, DELETE=remove_item)),
    path(f"{_one}/upvote", route(POST=upvote, DELETE=take_upvote_back)),
    path(f"{_one}/resource-group", route(POST=resource_group)),
]
