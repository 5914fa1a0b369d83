"""The moves of refs: commits, branches and tags, pull requests, rewritten histories and pushes end here.

Every move holds the repository's row. Its rows and its refs change in one transaction, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F

from foundation.errors import Refusal
from hub.accounts.principals import Principal
from hub.gitstore import GitRepository, RefChanged, RefExists, RefUpdate
from hub.lfs import links
from hub.repos import quotas
from hub.repos.locking import ChangeableRepository, LockedRepository
from hub.repos.models import Repository
from hub.revisions import indexing, proposals, selectors
from hub.revisions.errors import LfsObjectMissing, NotACommit
from hub.revisions.indexing import Facts, FactsReader
from hub.revisions.signals import revision_committed


@dataclass(frozen=True, slots=True)
class Content:
    """The content that a move brings: large objects by oid, and the bytes of small files."""

    lfs_oids: Sequence[str] = ()
    added_bytes: int = 0


NOTHING = Content()


def facts_for(
    repository: Repository, updates: Iterable[RefUpdate], reader: FactsReader | None = None
) -> Facts | None:
    """The facts of the default branch where it moves. Reads git; call it before the transaction."""
    default = f"refs/heads/{repository.default_branch}"
    head = next((update.new for update in updates if update.ref == default), None)
    return (reader or FactsReader(repository)).read(head) if head is not None else None


def move(
    *,
    actor: Principal,
    repository: ChangeableRepository,
    updates: Sequence[RefUpdate],
    facts: Facts | None = None,
    content: Content = NOTHING,
    now: datetime,
) -> None:
    """Step: move refs, bring the rows up to them, and announce it.

    The refs move last, right before the commit: should the database then fail, git is right and
    `jobs.catch_up` rebuilds the rows.
    Raises: what `write_rows` and `move_refs` raise.
    """
    write_rows(actor=actor, repository=repository, updates=updates, facts=facts, content=content, now=now)
    move_refs(repository, updates)


def write_rows(
    *,
    actor: Principal,
    repository: ChangeableRepository,
    updates: Sequence[RefUpdate],
    facts: Facts | None = None,
    content: Content = NOTHING,
    now: datetime,
) -> None:
    """Step: all of `move` but the refs. `move_refs` must follow as the last step of the transaction.

    `facts` are those of the default branch where it moves.
    Raises: StorageQuotaExceeded, ProposalsFull, LfsObjectMissing.
    """
    bill = proposals.bill_of(actor, repository, updates)
    if content.added_bytes:
        quotas.require_room_to_bring(bill.proposer, repository, content.added_bytes)
    links.link(repository, [*content.lfs_oids, *bill.adopted], now, proposer=bill.proposer)
    _require_linked(repository, content.lfs_oids)
    added_bytes = proposals.settle(bill, repository, content.added_bytes)
    _follow(repository, updates, facts, added_bytes, now)
    for update in updates:
        revision_committed.send(
            sender=Repository,
            repository=repository,
            ref=update.ref,
            old=update.old,
            new=update.new,
            actor=actor,
        )


def _require_linked(repository: LockedRepository, oids: Sequence[str]) -> None:
    """An object that was there when we looked may have been collected before we had the lock.

    Raises: LfsObjectMissing.
    """
    missing = set(oids) - links.usable(repository.pk, None, oids).keys() if oids else set()
    for oid in sorted(missing):
        raise LfsObjectMissing(oid=oid, path="")


def _follow(
    repository: LockedRepository,
    updates: Sequence[RefUpdate],
    facts: Facts | None,
    added_bytes: int,
    now: datetime,
) -> None:
    """Bring the repository's own row and its index up to the refs."""
    changed = ["updated_at"]
    repository.updated_at = now
    for update in updates:
        if update.ref == f"refs/heads/{repository.default_branch}" and update.new is not None:
            repository.head_sha = update.new
            changed.append("head_sha")
    if added_bytes:
        _grow(repository, added_bytes)
    repository.save(update_fields=changed)
    if facts is not None:
        indexing.store_facts(repository, facts, now=now)


def move_refs(repository: ChangeableRepository, updates: Sequence[RefUpdate]) -> None:
    """Step: the one function that moves refs. Each must still be where its update says that it is.

    A ref that is to be deleted and does not exist is left out.
    Raises: RefChanged, RefExists, TooManyBranches, NotACommit.
    """
    git = selectors.git_of(repository)
    possible, refused = sift(git, updates)
    for refusal in refused.values():
        raise refusal
    git.drop_left_locks(update.ref for update in possible)
    for update in possible:
        target = update.target
        if target is None:
            git.delete_ref(update.ref)
        elif update.old is None:
            git.add_ref(update.ref, target)
        else:
            git.move_ref(update.ref, old=git.held_by(update.ref) or "", new=target)


def charge(*, actor: Principal, repository: LockedRepository, ref: str, added_bytes: int) -> None:
    """Step: bill the small files of a push to this ref that are in the repository although no ref moved."""
    bill = proposals.Bill(quotas.proposer_of(actor, repository), ref=ref)
    if own := proposals.settle(bill, repository, added_bytes):
        _grow(repository, own)


def _grow(repository: LockedRepository, added_bytes: int) -> None:
    Repository.objects.filter(pk=repository.pk).update(size_bytes=F("size_bytes") + added_bytes)


def sift(
    git: GitRepository, updates: Sequence[RefUpdate], is_commit: Callable[[str], bool] | None = None
) -> tuple[list[RefUpdate], dict[str, Refusal]]:
    """Step: the moves that are possible now, in order, and by ref the refusals of the others.

    `is_commit` tells of objects that the repository does not have yet. A deletion of a ref that does
    not exist is neither: nothing is to be done.
    """
    possible: list[RefUpdate] = []
    refused: dict[str, Refusal] = {}
    names = git.ref_names() if any(update.old is None for update in updates) else None
    for update in updates:
        held = git.held_by(update.ref)
        if held is None and update.new is None:
            continue
        refusal = _refusal_of(git, update, held, is_commit or git.is_commit)
        if refusal is None and update.old is None and names is not None:
            refusal = names.refusal_of(update.ref)
        if refusal is not None:
            refused[update.ref] = refusal
            continue
        possible.append(update)
        if names is not None:
            (names.remove if update.new is None else names.add)(update.ref)
    return possible, refused


def _refusal_of(
    git: GitRepository, update: RefUpdate, held: str | None, is_commit: Callable[[str], bool]
) -> Refusal | None:
    # The caller may know an annotated tag by its commit.
    if update.old != held and update.old != git.target(update.ref):
        return RefExists(ref=update.ref) if update.old is None else RefChanged()
    target = update.target
    if target is not None and update.ref.startswith("refs/heads/") and not is_commit(target):
        return NotACommit(ref=update.ref)
    return None
