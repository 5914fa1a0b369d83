"""Use cases of discussions: open, comment, rename, close. Pull requests share all of them."""

from __future__ import annotations

from datetime import datetime
from typing import NewType

from django.db import transaction
from django.db.models import F, Max
from django.utils.translation import gettext as _

from foundation.errors import Invalid
from foundation.held_rows import held_row
from hub.accounts.principals import Principal
from hub.community import policies, tasks
from hub.community.errors import CommentHidden, CommentNotFound, StatusRefused
from hub.community.models import Discussion, DiscussionEvent, EventType, PastText, Status
from hub.community.models.discussions import NEXT, TEXT_CHARS_MAX, TITLE_CHARS_MAX, TITLE_CHARS_MIN
from hub.community.signals import comment_changed, comment_written, discussion_changed, discussion_opened
from hub.repos import locking
from hub.repos.locking import LockedRepository
from hub.repos.models import Repository

LockedDiscussion = NewType("LockedDiscussion", Discussion)


def open_discussion(
    *, actor: Principal, repository: Repository, title: str, text: str, now: datetime
) -> Discussion:
    """Start a thread; its first event is a comment that holds `text`.

    Raises: Unauthenticated, RepositoryGated, DiscussionsDisabled, RepositoryArchived, Invalid.
    """
    policies.require_discuss(actor, repository)
    title, text = valid_title(title), valid_text(text)
    with transaction.atomic(durable=True):
        locked = locking.lock_for_change(
            repository.pk, lambda held: policies.require_discuss(actor.reread(), held)
        )
        return insert_discussion(repository=locked, title=title, text=text, actor=actor, now=now)


def insert_discussion(
    *,
    repository: LockedRepository,
    title: str,
    text: str,
    actor: Principal,
    now: datetime,
    base_ref: str = "",
    status: Status = Status.OPEN,
    is_announced: bool = True,
) -> Discussion:
    """Step: give the next number of the repository to a new thread with its first comment.

    With a base it is a pull request. Not announced, `announce` must follow once it is sure to stay.
    """
    last = Discussion.objects.filter(repository=repository).aggregate(last=Max("number"))["last"] or 0
    discussion = Discussion.objects.create(
        repository=repository,
        number=last + 1,
        title=title,
        author=actor.user,
        is_pull_request=bool(base_ref),
        status=status,
        base_ref=base_ref,
        comment_count=1,
        created_at=now,
        updated_at=now,
    )
    _insert_event(discussion, EventType.COMMENT, actor=actor, now=now, text=text)
    if is_announced:
        announce(discussion=discussion, actor=actor)
    return discussion


def announce(*, discussion: Discussion, actor: Principal) -> None:
    """Step: say that the discussion is open."""
    event = discussion.events.select_related("author__namespace").earliest("id")
    discussion_opened.send(sender=Discussion, discussion=discussion, event=event, actor=actor)


def comment(*, actor: Principal, discussion: Discussion, text: str, now: datetime) -> DiscussionEvent:
    """Raises: what `open_discussion` raises."""
    policies.require_discuss(actor, discussion.repository)
    text = valid_text(text, may_be_empty=False)
    with transaction.atomic(durable=True):
        return insert_comment(discussion=lock_discussion(discussion), text=text, actor=actor, now=now)


def insert_comment(
    *, discussion: LockedDiscussion, text: str, actor: Principal, now: datetime
) -> DiscussionEvent:
    """Step: add a comment and tell people of it."""
    event = _insert_event(discussion, EventType.COMMENT, actor=actor, now=now, text=text)
    Discussion.objects.filter(pk=discussion.pk).update(comment_count=F("comment_count") + 1, updated_at=now)
    comment_written.send(sender=Discussion, discussion=discussion, event=event, actor=actor)
    return event


def edit_comment(
    *, actor: Principal, discussion: Discussion, key: str, text: str, now: datetime
) -> DiscussionEvent:
    """Change the words; what they were is kept. Raises: DiscussionDenied, CommentNotFound, CommentHidden."""
    text = valid_text(text, may_be_empty=False)
    with transaction.atomic(durable=True):
        event = _lock_comment(discussion, key)
        policies.require_edit(actor, event)
        if event.is_hidden:
            raise CommentHidden
        PastText.objects.create(
            event=event,
            text=event.text,
            author_id=event.edited_by_id or event.author_id,
            written_at=event.edited_at or event.created_at,
        )
        event.text, event.edited_at, event.edited_by = text, now, actor.user
        event.save(update_fields=["text", "edited_at", "edited_by"])
        comment_changed.send(sender=Discussion, discussion=event.discussion, event=event, actor=actor)
    return event


def hide_comment(*, actor: Principal, discussion: Discussion, key: str, now: datetime) -> DiscussionEvent:
    """Take the words away, and what they were before, for good.

    Raises: DiscussionDenied, CommentNotFound, CommentHidden.
    """
    with transaction.atomic(durable=True):
        event = _lock_comment(discussion, key)
        policies.require_hide(actor, event)
        if event.is_hidden:
            raise CommentHidden
        event.past_texts.all().delete()
        event.text, event.is_hidden, event.edited_at, event.edited_by = "", True, now, actor.user
        event.save(update_fields=["text", "is_hidden", "edited_at", "edited_by"])
        comment_changed.send(sender=Discussion, discussion=event.discussion, event=event, actor=actor)
    return event


def rename(*, actor: Principal, discussion: Discussion, title: str, now: datetime) -> DiscussionEvent:
    """Raises: DiscussionDenied and what `open_discussion` raises."""
    policies.require_moderate(actor, discussion)
    title = valid_title(title)
    with transaction.atomic(durable=True):
        locked = lock_discussion(discussion)
        event = _insert_event(
            locked, EventType.TITLE_CHANGE, actor=actor, now=now, data={"from": locked.title, "to": title}
        )
        locked.title, locked.updated_at = title, now
        locked.save(update_fields=["title", "updated_at"])
        discussion_changed.send(sender=Discussion, discussion=locked, event=event, actor=actor)
    return event


def change_status(
    *, actor: Principal, discussion: Discussion, status: str, text: str = "", now: datetime
) -> DiscussionEvent:
    """Open (also a draft) or close, perhaps with a comment.

    Raises: DiscussionDenied, StatusRefused, Invalid, and what `open_discussion` raises.
    """
    policies.require_moderate(actor, discussion)
    if status not in {Status.OPEN, Status.CLOSED}:
        raise Invalid(reason="status is open or closed.")
    text = valid_text(text)

    def recheck(repository: Repository) -> None:
        discussion.repository = repository
        policies.require_moderate(actor.reread(), discussion)

    with transaction.atomic(durable=True):
        locking.lock_for_change(discussion.repository_id, recheck)
        locked = lock_discussion(discussion)
        if text:
            insert_comment(discussion=locked, text=text, actor=actor, now=now)
        return move_status(discussion=locked, status=Status(status), actor=actor, now=now)


def move_status(
    *, discussion: LockedDiscussion, status: Status, actor: Principal, now: datetime
) -> DiscussionEvent:
    """Step: the one function that moves the state. Raises: StatusRefused."""
    if status not in NEXT[discussion.status]:
        raise StatusRefused(old=discussion.get_status_display(), new=status.label)
    discussion.status, discussion.updated_at = status, now
    discussion.save(update_fields=["status", "updated_at"])
    event = _insert_event(
        discussion, EventType.STATUS_CHANGE, actor=actor, now=now, data={"status": status.value}
    )
    discussion_changed.send(sender=Discussion, discussion=discussion, event=event, actor=actor)
    return event


def record_commit(
    *, discussion: LockedDiscussion, subject: str, oid: str, actor: Principal, now: datetime
) -> DiscussionEvent:
    """Step: a commit has come to lie on the pull request's ref."""
    event = _insert_event(
        discussion, EventType.COMMIT, actor=actor, now=now, data={"subject": subject[:500], "oid": oid}
    )
    Discussion.objects.filter(pk=discussion.pk).update(updated_at=now)
    discussion_changed.send(sender=Discussion, discussion=discussion, event=event, actor=actor)
    return event


def lock_discussion(discussion: Discussion) -> LockedDiscussion:
    """Step: lock the row and read it anew. Raises: DeletedMeanwhile."""
    locked = Discussion.objects.select_for_update(of=("self",)).with_people()
    return LockedDiscussion(held_row(locked.filter(pk=discussion.pk)))


def _lock_comment(discussion: Discussion, key: str) -> DiscussionEvent:
    """Raises: CommentNotFound."""
    found = (
        DiscussionEvent.objects.select_for_update(of=("self",))
        .select_related("discussion__repository__namespace", "author__namespace", "edited_by__namespace")
        .filter(discussion=discussion, key=key.lower(), type=EventType.COMMENT)
        .first()
    )
    if found is None:
        raise CommentNotFound
    return found


def _insert_event(
    discussion: Discussion,
    kind: EventType,
    *,
    actor: Principal,
    now: datetime,
    text: str = "",
    data: dict[str, str] | None = None,
) -> DiscussionEvent:
    event = DiscussionEvent.objects.create(
        discussion=discussion, type=kind, author=actor.user, text=text, data=data or {}, created_at=now
    )
    tasks.enqueue(tasks.notify, event_id=event.pk)
    return event


def valid_title(title: str) -> str:
    """Raises: Invalid."""
    title = " ".join(title.split())
    if not TITLE_CHARS_MIN <= len(title) <= TITLE_CHARS_MAX:
        raise Invalid(
            reason=_("A title has {low} to {high} characters.").format(
                low=TITLE_CHARS_MIN, high=TITLE_CHARS_MAX
            )
        )
    return title


def valid_text(text: str, *, may_be_empty: bool = True) -> str:
    """Raises: Invalid."""
    if len(text) > TEXT_CHARS_MAX or "\0" in text:
        raise Invalid(
            reason=_("A comment has at most {limit} characters, none of them NUL.").format(
                limit=TEXT_CHARS_MAX
            )
        )
    if not may_be_empty and not text.strip():
        raise Invalid(reason=_("A comment cannot be empty."))
    return text
