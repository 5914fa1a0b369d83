"""Taking in a `git push`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import BinaryIO

from django.db import transaction
from django.utils.translation import gettext as _

from foundation.errors import DeletedMeanwhile, Refusal
from hub.accounts.principals import Principal
from hub.gitstore import RefChanged, RefUpdate
from hub.gitstore.hooks import Push
from hub.gitstore.serving import asks_for_more_changes_than, receive_pack, refused_push
from hub.repos import locking
from hub.repos.errors import RepositoryNotFound
from hub.repos.models import Repository
from hub.revisions import moves, pushes, selectors
from hub.revisions.errors import TooManyRefs
from hub.revisions.moves import Content
from hub.revisions.pushes import Authorize


def receive_push(
    *,
    actor: Principal,
    repository: Repository,
    request: BinaryIO,
    protocol: str,
    authorize: Authorize,
    now: datetime,
) -> Iterator[bytes]:
    """Let git take in the objects of a push, move the refs, and stream git's answer.

    The refs move all or in part, as the client asks, before git's result reaches it: a client that reads
    "done" finds the hub up to date. A push of too many refs is refused before git is started.
    """
    if asks_for_more_changes_than(pushes.CHANGES_MAX, request):
        return refused_push(str(TooManyRefs(limit=pushes.CHANGES_MAX)))
    content = moves.NOTHING

    def decide(push: Push) -> list[str]:
        nonlocal content
        reasons, brought = pushes.reasons_against(
            actor=actor, repository=repository, push=push, authorize=authorize, now=now
        )
        content = Content([pointer.oid for pointer in brought.pointers.values()], brought.blob_bytes)
        return reasons

    def move(push: Push) -> Mapping[str, str]:
        return move_pushed(
            actor=actor,
            repository=repository,
            updates=push.changes,
            is_atomic=push.is_atomic,
            authorize=authorize,
            content=content,
            now=now,
        )

    return receive_pack(repository.storage, request, protocol=protocol, decide=decide, move=move)


def move_pushed(
    *,
    actor: Principal,
    repository: Repository,
    updates: Sequence[RefUpdate],
    is_atomic: bool = False,
    authorize: Authorize,
    content: Content = moves.NOTHING,
    now: datetime,
) -> dict[str, str]:
    """Use case: move the refs of a push whose objects are in the repository.

    Under the lock the rights (`authorize`) and the repository's state are checked again. Returns the refs
    that did not move and why, in words for people; with `is_atomic` that is none of them or all.
    """
    facts = moves.facts_for(repository, updates)
    try:
        with transaction.atomic(durable=True):
            reasons: list[str] = []
            locked = locking.lock_for_change(
                repository.pk, lambda held: reasons.extend(authorize(held, updates))
            )
            if reasons:
                return {update.ref: reasons[0] for update in updates}
            possible, refused = moves.sift(selectors.git_of(locked), updates)
            if is_atomic and refused:
                possible = []
            if possible:
                moves.move(
                    actor=actor, repository=locked, updates=possible, facts=facts, content=content, now=now
                )
    except (DeletedMeanwhile, RepositoryNotFound):
        return {update.ref: pushes.deleted_meanwhile() for update in updates}
    except Refusal as refusal:
        return {update.ref: str(refusal) for update in updates}
    reasons_of = {ref: _words_of(refusal) for ref, refusal in refused.items()}
    if is_atomic and refused:
        return {
            update.ref: reasons_of.get(update.ref, _("another ref of this push did not move"))
            for update in updates
        }
    return reasons_of


def _words_of(refusal: Refusal) -> str:
    """The reason, as git shows it in brackets behind the name of a ref."""
    return _("moved meanwhile, fetch first") if isinstance(refusal, RefChanged) else str(refusal)
