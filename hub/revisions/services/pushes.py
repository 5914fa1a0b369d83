"""Taking in a `git push`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import BinaryIO

from hub.accounts.principals import Principal
from hub.gitstore.incoming import Contents
from hub.gitstore.serving import Push, RefChange, asks_for_more_changes_than, receive_pack, refused_push
from hub.repos.models import Repository
from hub.revisions import pushes
from hub.revisions.errors import TooManyRefs
from hub.revisions.services.commits import RefUpdate, record_push


def receive_push(
    *,
    actor: Principal,
    repository: Repository,
    request: BinaryIO,
    protocol: str,
    own_proposals: Collection[str] = (),
    now: datetime,
) -> Iterator[bytes]:
    """Give a push to git and stream what git answers; the checks and the rows are ours.

    `own_proposals` are the pull request refs that the actor may push to without write access. The refs move
    all or in part, as git does it; moves are recorded before git's result reaches the client, so a client
    that reads "done" finds the hub up to date. A push of too many refs is refused before git is started.
    Raises: what `require_push` raises.
    """
    pushes.require_push(actor, repository, own_proposals)
    if asks_for_more_changes_than(pushes.CHANGES_MAX, request):
        return refused_push(str(TooManyRefs(limit=pushes.CHANGES_MAX)))
    brought = Contents()

    def decide(push: Push) -> list[str]:
        nonlocal brought
        reasons, brought = pushes.reasons_against(
            actor=actor, repository=repository, push=push, own_proposals=own_proposals, now=now
        )
        return reasons

    def record(changes: list[RefChange]) -> None:
        record_push(
            actor=actor,
            repository=repository,
            updates=[RefUpdate(change.ref, change.old, change.new) for change in changes],
            lfs_oids=[pointer.oid for pointer in brought.pointers.values()],
            added_bytes=brought.blob_bytes,
            now=now,
        )

    return receive_pack(repository.storage, request, protocol=protocol, decide=decide, record=record)
