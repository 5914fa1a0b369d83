"""Use cases between people: follow, watch, read notifications."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext

from foundation.errors import Invalid
from hub.accounts.models import Namespace
from hub.accounts.principals import Principal
from hub.community import digests, policies
from hub.community.models import Discussion, Follow, Notice, NoticeKind, NoticeSettings, Notification, Watch
from hub.community.selectors import people as selectors
from hub.repos.models import Repository

WATCHES_MAX = 5_000


def set_follow(*, actor: Principal, namespace: Namespace, is_following: bool, now: datetime) -> None:
    """Follow a user or an organization, or stop. Twice is once.

    Raises: Unauthenticated, ScopeMissing, Invalid when it is oneself.
    """
    policies.require_personal(actor)
    assert actor.user is not None
    if namespace.pk == actor.user.namespace_id:
        raise Invalid(reason=gettext("People do not follow themselves."))
    with transaction.atomic(durable=True):
        if is_following:
            Follow.objects.get_or_create(user=actor.user, namespace=namespace, defaults={"created_at": now})
        else:
            Follow.objects.filter(user=actor.user, namespace=namespace).delete()


def set_watch(*, actor: Principal, target: Namespace | Repository, is_watching: bool, now: datetime) -> None:
    """Start or stop notifications of discussions in a repository, or in all repositories of a namespace.

    Raises: Unauthenticated, ScopeMissing, Invalid beyond 5,000 watches.
    """
    policies.require_personal(actor)
    assert actor.user is not None
    where = {"repository": target} if isinstance(target, Repository) else {"namespace": target}
    with transaction.atomic(durable=True):
        if not is_watching:
            Watch.objects.filter(user=actor.user, **where).delete()
            return
        if Watch.objects.filter(user=actor.user).count() >= WATCHES_MAX:
            raise Invalid(
                reason=gettext("An account watches at most {limit} places.").format(limit=WATCHES_MAX)
            )
        Watch.objects.get_or_create(user=actor.user, **where, defaults={"created_at": now})


def read_discussion(*, actor: Principal, discussion: Discussion) -> None:
    """Mark the actor's notification of a discussion as read, because the actor reads the discussion."""
    if actor.user is not None:
        Notification.objects.filter(user=actor.user, discussion=discussion, is_read=False).update(
            is_read=True
        )


def read_notice(*, actor: Principal, notice_id: int) -> Notice:
    """Mark a notice of the actor as read, because the actor goes to its page. Raises: NoticeNotFound."""
    notice = selectors.get_notice(actor=actor, notice_id=notice_id)
    if not notice.is_read:
        notice.is_read = True
        notice.save(update_fields=["is_read"])
    return notice


def read_notices_of(*, actor: Principal, address: str) -> None:
    """Mark the actor's notices that lead to a page as read, because the actor looks at the page."""
    if actor.user is None:
        return
    unread = Notice.objects.filter(user=actor.user, is_read=False, address=address)
    if unread.exists():
        unread.update(is_read=True)


def change_notice_settings(*, actor: Principal, wanted: Collection[str], digest: str) -> NoticeSettings:
    """Choose the kinds of notices that the actor wants, and how often they come by mail.

    Raises: Unauthenticated, ScopeMissing, Invalid (a kind or a frequency that does not exist).
    """
    policies.require_personal(actor)
    assert actor.user is not None
    if not set(wanted) <= set(NoticeKind.values):
        raise Invalid(field="wanted", reason=gettext("There is no such kind of notification."))
    if digest not in NoticeSettings.Digest.values:
        raise Invalid(field="digest", reason=gettext("There is no such frequency of mails."))
    muted = sorted(set(NoticeKind.values) - set(wanted))
    changed, _ = NoticeSettings.objects.update_or_create(
        user=actor.user, defaults={"muted": muted, "digest": digest}
    )
    return changed


def stop_mails(*, token: str) -> None:
    """End the mails of the user to whom an unsubscribe link was sent. Raises: NoticeNotFound."""
    user_id = digests.reader_of(token)
    NoticeSettings.objects.filter(user=user_id).update(digest=NoticeSettings.Digest.NEVER)


def mark_notifications(*, actor: Principal, ids: Collection[int] | None, is_read: bool) -> int:
    """Mark some, or with None all, of one's notifications as read or unread; returns how many changed.

    Raises: Unauthenticated, ScopeMissing.
    """
    policies.require_personal(actor)
    if ids is None:
        Notice.objects.filter(user=actor.user).exclude(is_read=is_read).update(is_read=is_read)
    mine = Notification.objects.filter(user=actor.user).exclude(is_read=is_read)
    if ids is not None:
        mine = mine.filter(pk__in=ids)
    return mine.update(is_read=is_read)
