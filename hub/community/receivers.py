"""Facts of this room and of lower ones that trigger webhooks, in the transaction that makes them true."""

from __future__ import annotations

from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext_noop

from hub.accounts.models import Role
from hub.accounts.principals import Principal
from hub.community import notices, webhook_outbox
from hub.community.models import Discussion, DiscussionEvent, Domain, EventType, NoticeKind
from hub.community.services import pull_requests
from hub.community.signals import comment_changed, comment_written, discussion_changed, discussion_opened
from hub.community.webhook_outbox import Fact
from hub.repos.models import AccessRequest, Repository
from hub.repos.signals import (
    access_request_handled,
    access_requested,
    repository_changed,
    repository_created,
    repository_deleted,
    repository_moved,
    repository_restored,
)
from hub.revisions.pull_refs import pull_request_number
from hub.revisions.signals import revision_committed


@receiver([repository_created, repository_restored])
def tell_created(*, repository: Repository, **_: object) -> None:
    webhook_outbox.tell(Fact(repository, "create", "repo"), now=timezone.now())


@receiver(repository_deleted)
def tell_deleted(*, repository: Repository, **_: object) -> None:
    webhook_outbox.tell(Fact(repository, "delete", "repo"), now=timezone.now())


@receiver(repository_moved)
def tell_moved(*, repository: Repository, old_id: str, **_: object) -> None:
    moved = {
        "movedTo": {"name": repository.full_name, "owner": webhook_outbox.owner_of(repository.namespace)}
    }
    webhook_outbox.tell(Fact(repository, "move", "repo", more=moved, old_ids=[old_id]), now=timezone.now())


@receiver(repository_changed)
def tell_changed(*, repository: Repository, **_: object) -> None:
    webhook_outbox.tell(Fact(repository, "update", "repo.config"), now=timezone.now())


@receiver(revision_committed)
def tell_committed(
    *, repository: Repository, ref: str, old: str | None, new: str | None, actor: Principal, **_: object
) -> None:
    now = timezone.now()
    moved = {"updatedRefs": [{"ref": ref, "oldSha": old, "newSha": new}]}
    webhook_outbox.tell(Fact(repository, "update", "repo.content", more=moved), now=now)
    if pull_request_number(ref) is not None and new is not None:
        pull_requests.record_commits(repository=repository, ref=ref, old=old, new=new, actor=actor, now=now)


@receiver(discussion_opened)
def tell_opened(*, discussion: Discussion, event: DiscussionEvent, **_: object) -> None:
    _tell_discussion(discussion, "create", "discussion", comment=event)


@receiver(discussion_changed)
def tell_discussion_changed(*, discussion: Discussion, event: DiscussionEvent, **_: object) -> None:
    if event.type != EventType.COMMIT:
        # Webhooks report commits as new content of the repository.
        _tell_discussion(discussion, "update", "discussion")


@receiver(comment_written)
def tell_comment(*, discussion: Discussion, event: DiscussionEvent, **_: object) -> None:
    _tell_discussion(discussion, "create", "discussion.comment", comment=event)


@receiver(comment_changed)
def tell_comment_changed(*, discussion: Discussion, event: DiscussionEvent, **_: object) -> None:
    _tell_discussion(discussion, "update", "discussion.comment", comment=event)


@receiver(access_requested)
def tell_owners_of_request(*, access_request: AccessRequest, **_: object) -> None:
    """A request that waits for a decision is a notice for those who can decide it."""
    if access_request.status != AccessRequest.Status.PENDING:
        return
    repository = access_request.repository
    notices.tell(
        users=notices.people_of(repository.namespace_id, Role.ADMIN, Role.WRITE),
        kind=NoticeKind.ACCESS_ASKED,
        key=f"access/{access_request.pk}/asked",
        message=gettext_noop("%(user)s requested access to %(repository)s."),
        params={"user": access_request.user.name, "repository": repository.full_name},
        address=f"/{webhook_outbox.web_path(repository)}/settings",
        now=access_request.requested_at,
    )


@receiver(access_request_handled)
def tell_requester_of_decision(*, access_request: AccessRequest, **_: object) -> None:
    """The requester gets a notice of each decision."""
    messages = {
        AccessRequest.Status.ACCEPTED: gettext_noop(
            "Your request for access to %(repository)s was accepted."
        ),
        AccessRequest.Status.REJECTED: gettext_noop(
            "Your request for access to %(repository)s was rejected."
        ),
    }
    message = messages.get(AccessRequest.Status(access_request.status))
    if message is None or access_request.handled_at is None:
        return
    repository = access_request.repository
    notices.tell(
        users=[access_request.user],
        kind=NoticeKind.ACCESS_DECIDED,
        key=f"access/{access_request.pk}/{access_request.handled_at.timestamp():.0f}",
        message=message,
        params={"repository": repository.full_name},
        address=f"/{webhook_outbox.web_path(repository)}",
        now=access_request.handled_at,
    )


def _tell_discussion(
    discussion: Discussion, action: str, scope: str, *, comment: DiscussionEvent | None = None
) -> None:
    more = {"discussion": webhook_outbox.discussion_payload(discussion)}
    if comment is not None:
        more["comment"] = webhook_outbox.comment_payload(comment)
    fact = Fact(discussion.repository, action, scope, domain=Domain.DISCUSSION, more=more)
    webhook_outbox.tell(fact, now=timezone.now())
