"""Use cases of gated repositories: ask, accept, reject, grant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from foundation.errors import Invalid
from hub.accounts.models import Role, User
from hub.accounts.policies import require_account_owner
from hub.accounts.principals import Principal
from hub.repos import policies
from hub.repos.errors import AccessRequestHandled, AccessRequestNotFound, NotGated
from hub.repos.models import AccessRequest, Gating, Repository
from hub.repos.signals import access_request_handled, access_requested

FIELDS_BYTES_MAX = 20_000
REASON_CHARS_MAX = 2000


def ask_access(
    *, actor: Principal, repository: Repository, fields: Mapping[str, str], now: datetime
) -> AccessRequest:
    """Ask to use a gated repository. Granted at once where gating is `auto`; asking again changes nothing.

    The owner sees the user's e-mail address, so credentials that reach less than the account cannot ask.
    Raises: Unauthenticated, ScopeMissing, Denied (a fine-grained token), RepositoryNotFound,
    RepositoryDisabled, NotGated, Invalid.
    """
    require_account_owner(actor)
    policies.require_open(actor, repository)
    user = actor.user
    assert user is not None
    _require_gated(repository)
    if sum(len(k) + len(v) for k, v in fields.items()) > FIELDS_BYTES_MAX:
        raise Invalid(reason=_("The answers are too long."))
    if any("\0" in text for pair in fields.items() for text in pair):
        raise Invalid(reason=_("The answers hold characters that are no text."))
    is_auto = repository.gating == Gating.AUTO
    with transaction.atomic(durable=True):
        request, created = AccessRequest.objects.get_or_create(
            repository=repository,
            user=user,
            defaults={
                "fields": dict(fields),
                "requested_at": now,
                "status": AccessRequest.Status.ACCEPTED if is_auto else AccessRequest.Status.PENDING,
                "handled_at": now if is_auto else None,
            },
        )
        if created:
            access_requested.send(sender=AccessRequest, access_request=request)
    return request


def handle_access_request(
    *,
    actor: Principal,
    repository: Repository,
    user: User | None = None,
    request_id: int | None = None,
    status: str,
    reason: str = "",
    now: datetime,
) -> AccessRequest:
    """Accept, reject, or put back to pending ("cancel").

    Raises: RepositoryDenied, NotGated, AccessRequestNotFound, AccessRequestHandled, Invalid.
    """
    policies.require_role(actor, repository, Role.WRITE)
    _require_gated(repository)
    if status not in AccessRequest.Status.values:
        raise Invalid(reason="status is pending, accepted or rejected.")
    if len(reason) > REASON_CHARS_MAX or "\0" in reason:
        raise Invalid(
            reason=_("A reason has at most {limit} characters, none of them NUL.").format(
                limit=REASON_CHARS_MAX
            )
        )
    with transaction.atomic(durable=True):
        found = AccessRequest.objects.select_for_update().filter(repository=repository)
        found = found.filter(pk=request_id) if request_id is not None else found.filter(user=user)
        request = found.first()
        if request is None:
            raise AccessRequestNotFound(user=user.name if user else request_id, repo_id=repository.full_name)
        if request.status == status:
            raise AccessRequestHandled(user=request.user.name, status=request.get_status_display())
        request.status = AccessRequest.Status(status)
        request.reason = reason if status == AccessRequest.Status.REJECTED else ""
        request.granted_by, request.handled_at = actor.user, now
        request.save(update_fields=["status", "reason", "granted_by", "handled_at"])
        access_request_handled.send(sender=AccessRequest, access_request=request, actor=actor)
    return request


def grant_access(*, actor: Principal, repository: Repository, user: User, now: datetime) -> AccessRequest:
    """Grant access to a user without a request.

    Raises: RepositoryDenied, NotGated, AccessRequestHandled when the user is in already.
    """
    policies.require_role(actor, repository, Role.WRITE)
    _require_gated(repository)
    with transaction.atomic(durable=True):
        request, created = AccessRequest.objects.select_for_update().get_or_create(
            repository=repository,
            user=user,
            defaults={
                "status": AccessRequest.Status.ACCEPTED,
                "was_granted_unasked": True,
                "granted_by": actor.user,
                "requested_at": now,
                "handled_at": now,
            },
        )
        if not created:
            if request.status == AccessRequest.Status.ACCEPTED:
                raise AccessRequestHandled(user=user.name, status=request.get_status_display())
            request.status = AccessRequest.Status.ACCEPTED
            request.granted_by, request.handled_at = actor.user, now
            request.save(update_fields=["status", "granted_by", "handled_at"])
        access_request_handled.send(sender=AccessRequest, access_request=request, actor=actor)
    return request


def _require_gated(repository: Repository) -> None:
    if not repository.is_gated:
        raise NotGated(repo_id=repository.full_name)
