"""Pages of users and organizations; following; notifications."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from foundation import paging
from foundation.whole_numbers import whole_number
from hub.accounts import policies, selectors
from hub.accounts.models import Role
from hub.accounts.services import set_language
from hub.community import digests
from hub.community.models import NoticeKind, NoticeSettings
from hub.community.selectors import collections
from hub.community.selectors import people as community
from hub.community.services import people as acts
from hub.repos import kinds
from hub.repos.models import Kind
from hub.search import selectors as lists
from hub.search.queries import ListQuery, Sort
from hub.web.forms import PAGE_KINDS, NoticeSettingsForm
from hub.web.requests import actor_of, local_address, page, signed_in, submit

NOTIFICATIONS_PAGE = 40
PEOPLE_SHOWN = 60


def show(request: HttpRequest, name: str) -> HttpResponse:
    """The repositories, likes and collections of a user or organization."""
    actor = actor_of(request)
    namespace = selectors.get_namespace(name)
    if namespace.name != name:
        return HttpResponsePermanentRedirect(f"/{namespace.name}")
    tab = request.GET.get("tab", "")
    kind = kinds.KIND_OF.get(tab or "models")
    context = {
        "namespace": namespace,
        "overview": community.overview_of(actor=actor, namespace=namespace),
        "tab": tab or "models",
        "kinds": [(k.value, kinds.PLURAL_OF[k]) for k in PAGE_KINDS],
        "can_manage": policies.has_role(actor, namespace, Role.ADMIN),
        "members": selectors.members_of(namespace)[:PEOPLE_SHOWN] if namespace.is_organization else [],
        "memberships": []
        if namespace.is_organization
        else selectors.organizations_of(selectors.get_user(name))[:PEOPLE_SHOWN],
    }
    if kind in {Kind.MODEL, Kind.DATASET, Kind.SPACE}:
        query = ListQuery(
            author=namespace.name, sort=Sort.UPDATED, limit=24, cursor=request.GET.get("cursor", "")
        )
        found = lists.list_repositories(actor=actor, kind=kind, query=query)
        context |= {"repositories": found.items, "next_cursor": found.next_cursor}
    elif tab == "likes" and not namespace.is_organization:
        liked = community.likes_of(actor=actor, user=selectors.get_user(name)).select_related(
            "repository__namespace", "repository__facts"
        )
        context["repositories"] = [row.repository for row in liked[:48]]
    elif tab == "followers":
        context["followers"] = [
            row.user.namespace for row in community.followers_of(namespace)[:PEOPLE_SHOWN]
        ]
    elif tab == "collections":
        owned = list(collections.list_collections(actor=actor, owners=[namespace.name])[:40])
        held = collections.items_of(actor=actor, collections=owned, each=6)
        context["collections"] = [(collection, held[collection.pk]) for collection in owned]
    return page(request, "hub/people/show.html", context)


@require_POST
def follow(request: HttpRequest, name: str) -> HttpResponse:
    acts.set_follow(
        actor=actor_of(request),
        namespace=selectors.get_namespace(name),
        is_following=request.POST.get("on") == "1",
        now=timezone.now(),
    )
    return HttpResponseRedirect(local_address(request, request.POST.get("next"), f"/{name}"))


def notifications(request: HttpRequest) -> HttpResponse:
    signed_in(request)
    actor = actor_of(request)
    if request.method == "POST":
        chosen = request.POST.getlist("id")
        acts.mark_notifications(
            actor=actor,
            ids=[pk for text in chosen if (pk := whole_number(text)) is not None] if chosen else None,
            is_read=request.POST.get("read") == "1",
        )
        return HttpResponseRedirect(request.get_full_path())
    only_unread = request.GET.get("all") != "1"
    wanted = False if only_unread else None
    lists = {
        "notifications": community.notifications_of(actor=actor, is_read=wanted),
        "notices": community.notices_of(actor=actor, is_read=wanted),
    }
    shown = {name: paging.page_of(request, rows, NOTIFICATIONS_PAGE) for name, rows in lists.items()}
    # Both lists go on together; a page beyond the end of the shorter one has none of it.
    pages = max(shown.values(), key=lambda part: part.paginator.num_pages)
    context = {
        **{name: part if part.number == pages.number else [] for name, part in shown.items()},
        "pages": pages,
        "only_unread": only_unread,
        "tab": "notifications",
    }
    return page(request, "hub/settings/notifications.html", context)


def notification_settings(request: HttpRequest) -> HttpResponse:
    """One switch per kind of notification, and how often they come by mail."""
    user, actor = signed_in(request), actor_of(request)
    chosen = community.notice_settings_of(actor=actor)
    initial = {
        "wanted": [kind for kind in NoticeKind.values if kind not in chosen.muted],
        "digest": chosen.digest,
    }
    form = NoticeSettingsForm(request.POST if request.method == "POST" else None, initial=initial)
    if not settings.EMAIL_HOST:
        del form.fields["digest"]

    def change(data: dict[str, Any]) -> NoticeSettings:
        return acts.change_notice_settings(
            actor=actor, wanted=data["wanted"], digest=data.get("digest", chosen.digest)
        )

    if submit(request, form, change) is not None:
        set_language(actor=actor, language=get_language() or "")
        messages.success(request, _("Notification settings saved."))
        return HttpResponseRedirect("/notifications/settings")
    context = {
        "form": form,
        "tab": "notifications",
        "has_mail": bool(settings.EMAIL_HOST),
        "email": user.email,
    }
    return page(request, "hub/settings/notification_settings.html", context, form=form)


@csrf_exempt
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """The link in a mail: a page that asks, and the end of the mails, also by a mail program's own POST.

    Whoever has the link may use it: it is signed, and ends mails only. A GET changes nothing, because
    scanners of mails open every link.
    """
    digests.reader_of(token)
    if request.method == "POST":
        acts.stop_mails(token=token)
    return page(request, "hub/people/unsubscribe.html", {"is_done": request.method == "POST"})


def open_notice(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Lead to the page that a notice is about; the notice is read by that."""
    signed_in(request)
    notice = acts.read_notice(actor=actor_of(request), notice_id=notice_id)
    return HttpResponseRedirect(local_address(request, notice.address))


def notification_count(request: HttpRequest) -> HttpResponse:
    """The bell, with how many are unread."""
    actor = actor_of(request)
    count = community.notifications_of(actor=actor, is_read=False)[:100].count()
    count += community.notices_of(actor=actor, is_read=False)[:100].count()
    return page(request, "hub/people/bell.html", {"count": min(count, 99)})
