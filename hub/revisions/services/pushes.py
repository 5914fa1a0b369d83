"""Taking in a `git push`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import BinaryIO

from django.db import transaction
from django.utils.translation import gettext as _

from foundation.errors import DeletedMeanwhile, Refusal
from hub.accounts.principals import Principal
from hub.gitstore import RefUpdate
from hub.gitstore.questions import Push
from hub.gitstore.serving import (
    asks_for_more_changes_than,
    names_unusable_ref,
    receive_pack,
    refused_push,
)
from hub.repos import locking
from hub.repos.errors import RepositoryNotFound
from hub.repos.locking import LockedRepository
from hub.repos.models import Repository
from hub.revisions import moves, pushes, ref_copies
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
    "done" finds the hub up to date. A push of too many refs, or with an unusable name, is refused before
    git is started.
    """
    if asks_for_more_changes_than(pushes.CHANGES_MAX, request):
        return refused_push(str(TooManyRefs(limit=pushes.CHANGES_MAX)))
    if names_unusable_ref(request):
        return refused_push(pushes.unusable_ref())
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

    ref_copies.publish_here(repository)
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

    Under the lock the rights (`authorize`), the rules about refs and the repository's state are checked
    again: the default branch may be another one by now. Returns the refs that did not move and why,
    in words for people; with `is_atomic` that is none of them or all.
    The files that the push brought are billed in any case.
    """
    facts = moves.facts_for(repository, updates)
    has_moved = False
    possible: list[RefUpdate] = []
    try:
        with transaction.atomic(durable=True):
            reasons: list[str] = []
            locked = locking.lock_for_change(
                repository.pk,
                lambda held: reasons.extend([*authorize(held, updates), *pushes.about_refs(held, updates)]),
            )
            if reasons:
                refused = {update.ref: reasons[0] for update in updates}
            else:
                possible, refused = _sifted(locked, updates, is_atomic=is_atomic)
            if possible:
                moves.move(
                    actor=actor, repository=locked, updates=possible, facts=facts, content=content, now=now
                )
        has_moved = bool(possible)
    except (DeletedMeanwhile, RepositoryNotFound):
        refused = {update.ref: pushes.deleted_meanwhile() for update in updates}
    except Refusal as refusal:
        refused = {update.ref: str(refusal) for update in updates}
    if not has_moved and content.added_bytes:
        _charge(actor, repository, updates[0].ref, content)
    return refused


def _sifted(
    repository: LockedRepository, updates: Sequence[RefUpdate], *, is_atomic: bool
) -> tuple[list[RefUpdate], dict[str, str]]:
    """The moves that are possible, and by ref why the others are not. All are, or none, if `is_atomic`."""
    sifted, refused = moves.sift(repository, updates)
    possible = [move.update for move in sifted]
    reasons_of = {ref: pushes.words_of(refusal) for ref, refusal in refused.items()}
    if is_atomic and refused:
        other = _("another ref of this push did not move")
        return [], {update.ref: reasons_of.get(update.ref, other) for update in updates}
    return possible, reasons_of


def _charge(actor: Principal, repository: Repository, ref: str, content: Content) -> None:
    """Bill the files of a push that moved no ref: git has them, and a later push need not send them."""
    with contextlib.suppress(DeletedMeanwhile), transaction.atomic(durable=True):
        locked = locking.lock_repository(repository.pk)
        moves.charge(actor=actor, repository=locked, ref=ref, added_bytes=content.added_bytes)
