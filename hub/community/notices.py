"""Telling people: who is notified of an event, and the rows that do it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet

from hub.accounts.models import Membership, Namespace, Role, User
from hub.accounts.principals import Principal
from hub.community import mentions
from hub.community.models import (
    Discussion,
    DiscussionEvent,
    EventType,
    Notice,
    NoticeKind,
    NoticeSettings,
    Notification,
    Watch,
)
from hub.repos import policies as repos

WATCHERS_BATCH = 500
ACTING_ROLES = (Role.ADMIN, Role.WRITE)


def notify(*, event: DiscussionEvent, now: datetime) -> int:
    """Step: notify mentioned users, participants and watchers, except the event's author.

    Users who cannot see the repository get no notification. Returns the number of notified users. Safe to run
    twice.
    """
    discussion = event.discussion
    reasons = _reasons(discussion, event)
    reasons.pop(event.author_id or 0, None)
    users = User.objects.filter(pk__in=reasons, is_active=True).select_related("namespace")
    rows = [
        Notification(
            user=user,
            discussion=discussion,
            event=event,
            reason=reasons[user.pk],
            is_read=False,
            is_mailed=False,
            updated_at=now,
        )
        for user in users
        if not discussion.repository.is_private or repos.can_see(Principal(user=user), discussion.repository)
    ]
    Notification.objects.bulk_create(
        rows,
        batch_size=WATCHERS_BATCH,
        update_conflicts=True,
        unique_fields=["user", "discussion"],
        update_fields=["event", "reason", "is_read", "is_mailed", "updated_at"],
    )
    return len(rows)


class NamespaceNotice(NamedTuple):
    """A notice for the people of a namespace; the fields after `namespace_id` are as `tell()` has them."""

    namespace_id: int
    kind: NoticeKind
    key: str
    message: str
    params: Mapping[str, str | int]
    address: str


def tell(
    *,
    users: Collection[User],
    kind: NoticeKind,
    key: str,
    message: str,
    params: Mapping[str, str | int],
    address: str,
    now: datetime,
) -> None:
    """Notify users of something that is no discussion, once under each key; not those who muted its kind.

    `message` is an English sentence marked by `gettext_noop`, with `%(name)s` for `params`; `address` is the
    path of the page that it leads to.
    """
    muted = _muted(user.pk for user in users)
    _insert(
        Notice(
            user_id=user.pk,
            kind=kind,
            key=key,
            message=message,
            params=dict(params),
            address=address,
            created_at=now,
        )
        for user in users
        if kind not in muted[user.pk]
    )


def tell_namespaces(notices: Sequence[NamespaceNotice], *, now: datetime) -> None:
    """Notify the users of namespaces who have signed in to the pages: the user of a user's namespace, writers
    and admins of an organization. Three statements, however many notices.

    Accounts that only programs use get no rows: programs follow the account's stream.
    """
    people = _visitors_of({notice.namespace_id for notice in notices})
    muted = _muted({pk for pks in people.values() for pk in pks})
    _insert(
        Notice(
            user_id=user_id,
            kind=notice.kind,
            key=notice.key,
            message=notice.message,
            params=dict(notice.params),
            address=notice.address,
            created_at=now,
        )
        for notice in notices
        for user_id in sorted(people[notice.namespace_id])
        if notice.kind not in muted[user_id]
    )


def visited_namespaces() -> QuerySet[Namespace]:
    """The namespaces in which `tell_namespaces` finds somebody: others need no notices made for them."""
    visitors = User.objects.filter(is_active=True, last_login__isnull=False)
    acting = Membership.objects.filter(
        organization=OuterRef("pk"), role__in=ACTING_ROLES, user__in=visitors.values("pk")
    )
    return Namespace.objects.filter(Exists(visitors.filter(namespace=OuterRef("pk"))) | Exists(acting))


def _insert(rows: Iterable[Notice]) -> None:
    Notice.objects.bulk_create(rows, batch_size=WATCHERS_BATCH, ignore_conflicts=True)


def _visitors_of(namespace_ids: Collection[int]) -> dict[int, set[int]]:
    """Namespace → ids of the users who act for it and have signed in to the pages."""
    visitors = User.objects.filter(is_active=True, last_login__isnull=False)
    own = visitors.filter(namespace__in=namespace_ids).values_list("namespace", "pk")
    acting = Membership.objects.filter(
        organization__in=namespace_ids, role__in=ACTING_ROLES, user__in=visitors.values("pk")
    )
    found: dict[int, set[int]] = defaultdict(set)
    for namespace_id, user_id in own.union(acting.values_list("organization", "user")):
        found[namespace_id].add(user_id)
    return found


def _muted(user_ids: Iterable[int]) -> dict[int, frozenset[str]]:
    """User → the kinds that they muted; no kind for users without settings."""
    found: dict[int, frozenset[str]] = defaultdict(frozenset)
    rows = NoticeSettings.objects.filter(user__in=list(user_ids)).values_list("user", "muted")
    found.update({user_id: frozenset(kinds) for user_id, kinds in rows})
    return found


def people_of(namespace_id: int, *roles: Role) -> list[User]:
    """The user whose namespace it is, or the members of the organization that have one of the roles."""
    is_member = Q(memberships__organization=namespace_id, memberships__role__in=roles)
    return list(User.objects.filter(Q(namespace=namespace_id) | is_member, is_active=True).distinct())


def _reasons(discussion: Discussion, event: DiscussionEvent) -> dict[int, Notification.Reason]:
    """User id → why; a stronger reason overwrites a weaker one. Users who muted the kind are left out."""
    repository = discussion.repository
    owner = User.objects.filter(namespace_id=repository.namespace_id).values_list("pk", flat=True)
    reasons = dict.fromkeys(owner, Notification.Reason.OWNER)
    watchers = Watch.objects.filter(Q(repository=repository) | Q(namespace_id=repository.namespace_id))
    reasons |= dict.fromkeys(watchers.values_list("user_id", flat=True), Notification.Reason.WATCH)
    authors = discussion.events.exclude(author=None).values_list("author_id", flat=True).distinct()
    reasons |= dict.fromkeys((pk for pk in authors if pk), Notification.Reason.PARTICIPATION)
    mentioned = set()
    if event.type == EventType.COMMENT:
        mentioned = {user.pk for user in mentions.users_in(event.text)}
    muted = _muted({*reasons, *mentioned})
    reasons = {pk: reason for pk, reason in reasons.items() if NoticeKind.DISCUSSION not in muted[pk]}
    called = (pk for pk in mentioned if NoticeKind.MENTION not in muted[pk])
    return reasons | dict.fromkeys(called, Notification.Reason.MENTION)
