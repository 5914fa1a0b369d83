"""Mails with the unread notifications of a user: who is due, what they say, and the link that ends them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMessage
from django.db.models import Exists, OuterRef, Q
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import ngettext

from foundation import addresses
from hub.accounts.principals import Principal
from hub.community.errors import NoticeNotFound
from hub.community.models import Notice, NoticeSettings, Notification
from hub.community.selectors import people as selectors
from hub.repos import kinds

PERIODS = {
    NoticeSettings.Digest.HOURLY: timedelta(hours=1),
    NoticeSettings.Digest.DAILY: timedelta(days=1),
}
LINES_MAX = 50
USERS_MAX = 200
_SALT = "hub.community.digests.unsubscribe"


@dataclass(frozen=True, slots=True)
class Digest:
    """The unread notifications of a user that no mail has told, newest first; `more` were left out."""

    notices: list[Notice]
    notifications: list[Notification]
    more: int

    @property
    def total(self) -> int:
        return len(self.notices) + len(self.notifications) + self.more


def due(*, now: datetime, user_id: int | None = None) -> list[int]:
    """The users, at most 200, whose last mail is a period ago and who have unread notifications.

    With `user_id` only that user is asked about.
    """
    chosen = Q()
    for digest, period in PERIODS.items():
        chosen |= Q(digest=digest) & (Q(tried_at=None) | Q(tried_at__lte=now - period))
    notices = Notice.objects.filter(user=OuterRef("user"), is_read=False, is_mailed=False)
    threads = Notification.objects.filter(user=OuterRef("user"), is_read=False, is_mailed=False)
    found = NoticeSettings.objects.filter(chosen, user__is_active=True).exclude(user__email="")
    if user_id is not None:
        found = found.filter(pk=user_id)
    with_news = found.filter(Exists(notices) | Exists(threads)).order_by("tried_at", "pk")
    return list(with_news.values_list("pk", flat=True)[:USERS_MAX])


def digest_of(actor: Principal) -> Digest | None:
    """The content of a mail now; None if there is nothing. Discussions that are hidden now are left out."""
    notices = selectors.notices_of(actor=actor, is_read=False).filter(is_mailed=False)
    threads = selectors.notifications_of(actor=actor, is_read=False).filter(is_mailed=False)
    found = Digest(
        notices=list(notices[:LINES_MAX]),
        notifications=list(threads[:LINES_MAX]),
        more=max(0, notices.count() - LINES_MAX) + max(0, threads.count() - LINES_MAX),
    )
    return found if found.total else None


def mail_of(actor: Principal, digest: Digest) -> EmailMessage:
    """The mail, in the language of the user."""
    assert actor.user is not None
    hub = addresses.base()
    stop = f"{hub}/notifications/unsubscribe/{unsubscribe_token(actor.user.pk)}"
    with translation.override(actor.user.language or settings.LANGUAGE_CODE):
        subject = ngettext("%(count)d new notification", "%(count)d new notifications", digest.total)
        context = {
            "user": actor.user,
            "hub": hub,
            "notices": digest.notices,
            "discussions": [
                (row, f"{hub}/{kinds.path_of(repository.kind, repository.full_name)}")
                for row in digest.notifications
                for repository in (row.discussion.repository,)
            ],
            "more": digest.more,
            "stop": stop,
        }
        body = render_to_string("hub/mail/digest.txt", context)
    return EmailMessage(
        subject=f"[Model Bazaar] {subject % {'count': digest.total}}",
        body=body,
        to=[actor.user.email],
        headers={
            "List-Unsubscribe": f"<{stop}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
        },
    )


def unsubscribe_token(user_id: int) -> str:
    """The signed part of the link that ends the mails of a user; it stays valid."""
    return signing.Signer(salt=_SALT).sign_object(user_id)


def reader_of(token: str) -> int:
    """The user whom an unsubscribe link names. Raises: NoticeNotFound if it is not one of ours."""
    try:
        return int(signing.Signer(salt=_SALT).unsign_object(token))
    except signing.BadSignature:
        raise NoticeNotFound from None
