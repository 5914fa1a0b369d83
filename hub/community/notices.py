"""Telling people: who is notified of an event, and the rows that do it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from django.db.models import Q

from hub.accounts.models import Role, User
from hub.accounts.principals import Principal
from hub.community import mentions
from hub.community.models import Discussion, DiscussionEvent, EventType, Notice, Notification, Watch
from hub.repos import policies as repos

WATCHERS_BATCH = 500


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
        update_fields=["event", "reason", "is_read", "updated_at"],
    )
    return len(rows)


def tell(
    *,
    users: Collection[User],
    key: str,
    message: str,
    params: Mapping[str, str | int],
    address: str,
    now: datetime,
) -> None:
    """Notify users of something that is no discussion, once under each key.

    `message` is an English sentence marked by `gettext_noop`, with `%(name)s` for `params`; `address` is the
    path of the page that it leads to.
    """
    rows = [
        Notice(user=user, key=key, message=message, params=dict(params), address=address, created_at=now)
        for user in users
    ]
    Notice.objects.bulk_create(rows, batch_size=WATCHERS_BATCH, ignore_conflicts=True)


def people_of(namespace_id: int, *roles: Role) -> list[User]:
    """The user whose namespace it is, or the members of the organization that have one of the roles."""
    is_member = Q(memberships__organization=namespace_id, memberships__role__in=roles)
    return list(User.objects.filter(Q(namespace=namespace_id) | is_member, is_active=True).distinct())


def _reasons(discussion: Discussion, event: DiscussionEvent) -> dict[int, Notification.Reason]:
    """User id → why; a stronger reason overwrites a weaker one."""
    repository = discussion.repository
    owner = User.objects.filter(namespace_id=repository.namespace_id).values_list("pk", flat=True)
    reasons = dict.fromkeys(owner, Notification.Reason.OWNER)
    watchers = Watch.objects.filter(Q(repository=repository) | Q(namespace_id=repository.namespace_id))
    reasons |= dict.fromkeys(watchers.values_list("user_id", flat=True), Notification.Reason.WATCH)
    authors = discussion.events.exclude(author=None).values_list("author_id", flat=True).distinct()
    reasons |= dict.fromkeys((pk for pk in authors if pk), Notification.Reason.PARTICIPATION)
    if event.type == EventType.COMMENT:
        mentioned = (user.pk for user in mentions.users_in(event.text))
        reasons |= dict.fromkeys(mentioned, Notification.Reason.MENTION)
    return reasons
