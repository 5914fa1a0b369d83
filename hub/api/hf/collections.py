"""Collections (docs/wire/huggingface.md#collections)."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from msgspec import UNSET, UnsetType

from foundation.errors import Invalid, Unsupported
from foundation.hex_digits import row_id
from foundation.paging import Size
from hub.api.hf import bodies
from hub.api.hf.account import avatar_url
from hub.api.hf.answers import collections as answers
from hub.api.hf.answers.common import Success
from hub.api.hf.http import actor, endpoint, repeated, route, with_next
from hub.api.hf.paging import slice_of
from hub.api.json import timestamp
from hub.api.structs import answer_with, body_of
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
) -> answers.Collection:
    return answers.Collection(
        row_id=found.key,
        slug=found.slug,
        title=found.title,
        description=found.description,
        last_updated=timestamp(found.updated_at),
        owner=answers.Owner(
            row_id=row_id(found.namespace_id),
            name=found.namespace.name,
            fullname=found.namespace.full_name or found.namespace.name,
            avatar_url=avatar_url(request, found.namespace.name),
            type="org" if found.namespace.is_organization else "user",
        ),
        items=_items(items),
        theme=found.theme,
        private=found.is_private,
        upvotes=found.upvotes,
        is_upvoted_by_user=is_whole and selectors.is_upvoted(actor=actor(request), collection=found),
        share_url=f"{endpoint(request)}/collections/{found.slug}",
        position=found.position if is_whole else UNSET,
    )


def _items(items: Sequence[CollectionItem]) -> list[answers.AnyItem]:
    notes = render.markdown_all([item.note for item in items])
    return [_item(item, note) for item, note in zip(items, notes, strict=True)]


def _item(item: CollectionItem, html: str) -> answers.AnyItem:
    note = answers.Note(text=item.note, html=html) if item.note else UNSET
    if item.repository is not None:
        return _repository(item, item.repository, note)
    if item.linked is not None:
        return answers.CollectionItem(
            row_id=item.key,
            type=item.type,
            position=item.position,
            note=note,
            id=item.linked.key,
            slug=item.linked.slug,
            title=item.linked.title,
            upvotes=item.linked.upvotes,
            last_updated=timestamp(item.linked.updated_at),
        )
    return answers.PaperItem(
        row_id=item.key, type=item.type, position=item.position, note=note, id=item.paper, title=item.paper
    )


def _repository(
    item: CollectionItem, found: Repository, note: answers.Note | UnsetType
) -> answers.RepositoryItem:
    return answers.RepositoryItem(
        row_id=item.key,
        type=item.type,
        position=item.position,
        note=note,
        id=found.full_name,
        repo_type=found.kind,
        author=found.namespace.name,
        gated=found.gating or False,
        private=found.is_private,
        last_modified=timestamp(found.updated_at),
        downloads=found.downloads_30d,
        likes=found.likes,
    )


def _whole(request: HttpRequest, found: Collection) -> answers.Collection:
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
    response = answer_with([_collection(request, row, items[row.pk], is_whole=False) for row in found])
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
        taken = answers.CollectionTaken(error=str(refusal), slug=refusal.details["slug"])
        return answer_with(taken, status=409)
    return answer_with(_whole(request, made))


def show(request: HttpRequest, owner: str, slug: str) -> HttpResponse:
    return answer_with(_whole(request, _get(request, owner, slug)))


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
    return answer_with(answers.Changed(success=True, data=_whole(request, changed)))


def delete(request: HttpRequest, owner: str, slug: str) -> HttpResponse:
    services.delete_collection(actor=actor(request), collection=_get(request, owner, slug))
    return answer_with(Success(success=True))


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
    return answer_with(_whole(request, _get(request, owner, slug)))


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
    return answer_with(answers.ItemChanged(success=True, data=_items([item])[0]))


def remove_item(request: HttpRequest, owner: str, slug: str, key: str) -> HttpResponse:
    found = _get(request, owner, slug)
    services.remove_item(actor=actor(request), collection=found, key=key, now=timezone.now())
    return answer_with(Success(success=True))


def upvote(request: HttpRequest, owner: str, slug: str) -> HttpResponse:
    return _set_upvote(request, _get(request, owner, slug), is_upvoted=True)


def take_upvote_back(request: HttpRequest, owner: str, slug: str) -> HttpResponse:
    return _set_upvote(request, _get(request, owner, slug), is_upvoted=False)


def _set_upvote(request: HttpRequest, found: Collection, *, is_upvoted: bool) -> HttpResponse:
    votes = services.set_upvote(
        actor=actor(request), collection=found, is_upvoted=is_upvoted, now=timezone.now()
    )
    return answer_with(answers.Upvotes(upvotes=votes))


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
