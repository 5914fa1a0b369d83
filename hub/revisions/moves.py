"""The moves of refs: commits, branches and tags, pull requests, rewritten histories and pushes end here.

Every move holds the repository's row. Refs are rows, which change in one transaction with all that follows
from them. The objects that they name are durable before. Git's own files are brought up to them later
(`refs.publish`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F

from foundation.errors import Refusal
from hub.accounts.principals import Principal
from hub.gitstore import Ref, RefChanged, RefExists, RefUpdate
from hub.lfs import links
from hub.repos import quotas
from hub.repos.locking import ChangeableRepository, LockedRepository
from hub.repos.models import Repository
from hub.revisions import indexing, models, proposals, refs, selectors
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
    """Step: move refs, bring all other rows up to them, and announce it.

    `facts` are those of the default branch where it moves.
    Raises: StorageQuotaExceeded, ProposalsFull, LfsObjectMissing, and what `move_refs` raises.
    """
    bill = proposals.bill_of(actor, repository, updates)
    if content.added_bytes:
        quotas.require_room_to_bring(bill.proposer, repository, content.added_bytes)
    links.link(repository, [*content.lfs_oids, *bill.adopted], now, proposer=bill.proposer)
    _require_linked(repository, content.lfs_oids)
    added_bytes = proposals.settle(bill, repository, content.added_bytes)
    _write_refs(repository, updates)
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
    changed = ["updated_at", *refs.CHANGED_COLUMNS]
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
    """Step: move refs, and nothing else. Each must still be where its update says that it is.

    A ref that is to be deleted and does not exist is left out.
    Raises: RefChanged, RefExists, TooManyBranches, NotACommit.
    """
    _write_refs(repository, updates)
    repository.save(update_fields=refs.CHANGED_COLUMNS)


def _write_refs(repository: ChangeableRepository, updates: Sequence[RefUpdate]) -> None:
    """The one function that writes the rows of refs that exist. The caller saves `refs.CHANGED_COLUMNS`.

    Raises: as `move_refs`.
    """
    possible, refused = sift(repository, updates)
    for refusal in refused.values():
        raise refusal
    for move in possible:
        rows = models.Ref.objects.filter(repository=repository, name=move.update.ref)
        # The repository's lock keeps others out; the comparison finds who moves refs without it.
        if move.target is None:
            moved = rows.filter(held_sha=move.held).delete()[0]
        elif move.held is None:
            refs.insert([(repository, move.target)])
            moved = 1
        else:
            ref = move.target
            moved = rows.filter(held_sha=move.held).update(held_sha=ref.held, commit_sha=ref.target)
        if not moved:
            raise RefChanged
    refs.mark_changed(repository, (move.update.ref for move in possible))


def charge(*, actor: Principal, repository: LockedRepository, ref: str, added_bytes: int) -> None:
    """Step: bill the small files of a push to this ref that are in the repository although no ref moved."""
    bill = proposals.Bill(quotas.proposer_of(actor, repository), ref=ref)
    if own := proposals.settle(bill, repository, added_bytes):
        _grow(repository, own)


def _grow(repository: LockedRepository, added_bytes: int) -> None:
    Repository.objects.filter(pk=repository.pk).update(size_bytes=F("size_bytes") + added_bytes)


@dataclass(frozen=True, slots=True)
class PossibleMove:
    """A move that is possible. `held` is the object that the ref names now, `target` the ref afterwards."""

    update: RefUpdate
    held: str | None
    target: Ref | None


def sift(
    repository: Repository,
    updates: Sequence[RefUpdate],
    commit_behind: Callable[[str], str | None] | None = None,
) -> tuple[list[PossibleMove], dict[str, Refusal]]:
    """Step: the moves that are possible now, in order, and by ref the refusals of the others.

    `commit_behind` tells of objects that the repository does not have yet. A deletion of a ref that does
    not exist is neither: nothing is to be done.
    """
    possible: list[PossibleMove] = []
    refused: dict[str, Refusal] = {}
    commit_behind = commit_behind or selectors.git_of(repository).commit_behind
    found = refs.find(repository, [update.ref for update in updates])
    names = refs.names_of(repository) if any(update.old is None for update in updates) else None
    for update in updates:
        ref = found.get(update.ref)
        if ref is None and update.new is None:
            continue
        target = _target_of(update, commit_behind)
        refusal = _refusal_of(update, ref, target)
        if refusal is None and update.old is None and names is not None:
            refusal = names.refusal_of(update.ref)
        if refusal is not None:
            refused[update.ref] = refusal
            continue
        possible.append(PossibleMove(update, ref.held if ref else None, target))
        if names is not None:
            (names.remove if update.new is None else names.add)(update.ref)
    return possible, refused


def _target_of(update: RefUpdate, commit_behind: Callable[[str], str | None]) -> Ref | None:
    if update.target is None:
        return None
    # An object that leads to no commit is refused for branches; pushes have refused it for tags.
    return Ref(update.ref, commit_behind(update.target) or "", update.target)


def _refusal_of(update: RefUpdate, found: Ref | None, target: Ref | None) -> Refusal | None:
    # The caller may know an annotated tag by its commit.
    if update.old not in ({found.held, found.target} if found is not None else {None}):
        return RefExists(ref=update.ref) if update.old is None else RefChanged()
    if (
        target is not None
        and target.target != target.held
        and (not target.target or update.ref.startswith("refs/heads/"))
    ):
        return NotACommit(ref=update.ref)
    return None
