"""Rights of a `git push`: each ref that it names is a target, as the ones that commits go to (ADR 0198)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import BinaryIO

from django.utils.translation import gettext as _

from foundation.errors import Refusal
from hub.accounts.principals import Principal
from hub.community.errors import DiscussionDenied, DiscussionNotFound, NotAPullRequest
from hub.community.selectors.discussions import own_open_refs
from hub.community.services.targets import open_target
from hub.gitstore import RefUpdate
from hub.repos import policies
from hub.repos.errors import RepositoryDenied
from hub.repos.models import Repository
from hub.revisions import services as revisions
from hub.revisions.pull_refs import pull_request_number


def require_push(*, actor: Principal, repository: Repository) -> None:
    """May send a pack: who writes, and the author of an open pull request.

    `reasons_against_refs` checks each ref that they move.
    Raises: what `repos.policies.require_write` and `require_propose` raise.
    """
    if policies.can_write(actor, repository) or not own_open_refs(actor=actor, repository=repository):
        policies.require_write(actor, repository)
        return
    policies.require_propose(actor, repository)


def receive_push(
    *, actor: Principal, repository: Repository, request: BinaryIO, protocol: str, now: datetime
) -> Iterator[bytes]:
    """As `revisions.services.receive_push`, for those who may push. Raises: what `require_push` raises."""
    require_push(actor=actor, repository=repository)

    def authorize(current: Repository, changes: Sequence[RefUpdate]) -> list[str]:
        # A push can take minutes: roles are read again each time.
        return reasons_against_refs(actor.reread(), current, changes)

    return revisions.receive_push(
        actor=actor, repository=repository, request=request, protocol=protocol, authorize=authorize, now=now
    )


def reasons_against_refs(actor: Principal, repository: Repository, changes: Sequence[RefUpdate]) -> list[str]:
    """The reasons that the actor may not move these refs, one a ref, as sentences."""
    reasons = []
    may_write: bool | None = None
    for change in changes:
        if pull_request_number(change.ref) is not None:
            reason = _about_pull_request(actor, repository, change)
        elif may_write:
            reason = ""
        else:
            reason = _about_target(actor, repository, change)
            may_write = not reason
        if reason:
            reasons.append(reason)
    return reasons


def _about_pull_request(actor: Principal, repository: Repository, change: RefUpdate) -> str:
    if change.old is None:
        return _("%(ref)s is not a pull request; open one on the hub first.") % {"ref": change.ref}
    if change.new is None:
        return _("%(ref)s belongs to a pull request; close that instead.") % {"ref": change.ref}
    return _about_target(actor, repository, change)


def _about_target(actor: Principal, repository: Repository, change: RefUpdate) -> str:
    try:
        open_target(actor=actor, repository=repository, revision=change.ref)
    except (DiscussionNotFound, NotAPullRequest):
        return _("%(ref)s is not a pull request; open one on the hub first.") % {"ref": change.ref}
    except DiscussionDenied:
        return _("You can't push to %(ref)s: it is someone else's pull request.") % {"ref": change.ref}
    except RepositoryDenied:
        return _("You can't push to %(ref)s.") % {"ref": change.ref}
    except Refusal as refusal:
        return str(refusal)
    return ""
