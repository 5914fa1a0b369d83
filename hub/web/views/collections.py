"""Collections: made, filled and shown."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from hub.accounts import selectors as accounts
from hub.community import policies
from hub.community.models import Collection
from hub.community.models.collections import NOTE_CHARS_MAX
from hub.community.selectors import collections as selectors
from hub.community.services import collections as services
from hub.web.forms import PAGE_KINDS, CollectionForm, CollectionSettingsForm
from hub.web.repository_pages import RepositoryPage, repository_page
from hub.web.requests import actor_of, local_address, page, signed_in, submit

CHOICES_SHOWN = 50


def new(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    owners = [user.name] + [member.organization.name for member in accounts.organizations_of(user)]
    form = CollectionForm(request.POST or None, owners=owners, initial={"owner": request.GET.get("owner")})

    def create(data: dict[str, Any]) -> Collection:
        asked = services.NewCollection(
            namespace=data["owner"],
            title=data["title"],
            description=data["description"],
            is_private=data["is_private"],
        )
        return services.create_collection(actor=actor_of(request), request=asked, now=timezone.now())

    made = submit(request, form, create)
    if made is not None:
        return HttpResponseRedirect(f"/collections/{made.slug}")
    return page(request, "hub/collections/new.html", {"form": form}, form=form)


def show(request: HttpRequest, owner: str, slug: str) -> HttpResponse:
    actor = actor_of(request)
    found = selectors.get_collection(actor=actor, slug=f"{owner}/{slug}")
    if request.method == "POST":
        _act(request, found)
        after = f"/collections/{found.slug}"
        return HttpResponseRedirect(local_address(request, request.POST.get("next"), after))
    context = {
        "collection": found,
        "items": selectors.items_of(actor=actor, collections=[found])[found.pk],
        "can_change": policies.can_change_collection(actor, found),
        "is_upvoted": selectors.is_upvoted(actor=actor, collection=found),
    }
    return page(request, "hub/collections/show.html", context)


def edit(request: HttpRequest, owner: str, slug: str) -> HttpResponse:
    """Title and visibility; the items' notes and order; the collection's end."""
    signed_in(request)
    actor = actor_of(request)
    found = selectors.get_collection(actor=actor, slug=f"{owner}/{slug}")
    policies.require_change_collection(actor, found)
    act = request.POST.get("act", "")
    if act == "delete":
        services.delete_collection(actor=actor, collection=found)
        return HttpResponseRedirect(f"/{found.namespace.name}?tab=collections")
    items = selectors.items_of(actor=actor, collections=[found])[found.pk]
    if act in {"note", "up", "down"}:
        _change_item(request, found, act, [item.key for item in items])
        return HttpResponseRedirect(f"/collections/{found.slug}/edit")
    initial = {name: getattr(found, name) for name in CollectionSettingsForm.base_fields}
    form = CollectionSettingsForm(request.POST or None, initial=initial)
    saved = submit(
        request,
        form,
        lambda data: services.change_collection(
            actor=actor, collection=found, change=services.CollectionChange(**data), now=timezone.now()
        ),
    )
    if saved is not None:
        return HttpResponseRedirect(f"/collections/{saved.slug}")
    context = {"collection": found, "items": items, "form": form, "note_chars_max": NOTE_CHARS_MAX}
    return page(request, "hub/collections/edit.html", context, form=form)


def _change_item(request: HttpRequest, found: Collection, act: str, keys: list[str]) -> None:
    """A note is written anew; an item goes one repo_page up or down among those that are shown."""
    key = request.POST.get("key", "")
    position = keys.index(key) + (1 if act == "down" else -1) if act != "note" and key in keys else None
    services.change_item(
        actor=actor_of(request),
        collection=found,
        key=key,
        note=request.POST.get("note", "") if act == "note" else None,
        position=position,
        now=timezone.now(),
    )


def _act(request: HttpRequest, found: Collection) -> None:
    """The action of the pressed button: vote, or remove an item."""
    actor, now = actor_of(request), timezone.now()
    if request.POST.get("act") == "remove":
        services.remove_item(actor=actor, collection=found, key=request.POST.get("key", ""), now=now)
    else:
        is_upvoted = request.POST.get("act") == "upvote"
        services.set_upvote(actor=actor, collection=found, is_upvoted=is_upvoted, now=now)


@repository_page
def choose(request: HttpRequest, repo_page: RepositoryPage) -> HttpResponse:
    """Into which collection a repository goes."""
    user = signed_in(request)
    owners = [user.name] + [member.organization.name for member in accounts.organizations_of(user)]
    mine = selectors.list_collections(actor=repo_page.actor, owners=owners)[:CHOICES_SHOWN]
    context = repo_page.header("") | {
        "collections": mine,
        "is_collectable": repo_page.repository.kind in PAGE_KINDS,
    }
    return page(request, "hub/collections/choose.html", context)


@require_POST
@repository_page
def add(request: HttpRequest, repo_page: RepositoryPage) -> HttpResponse:
    found = selectors.get_collection(actor=repo_page.actor, slug=request.POST.get("collection", ""))
    services.add_item(
        actor=repo_page.actor,
        collection=found,
        type_=repo_page.repository.kind,
        item_id=repo_page.repository.full_name,
        now=timezone.now(),
    )
    return HttpResponseRedirect(f"/collections/{found.slug}")
