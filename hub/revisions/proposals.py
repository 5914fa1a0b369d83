"""Accounting of the bytes that a move of refs brings: the owner pays, or the proposer without
write access.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F, Sum

from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.gitstore import RefUpdate
from hub.lfs import links
from hub.repos import quotas
from hub.repos.locking import LockedRepository
from hub.repos.models import ProposedBytes
from hub.revisions import refs, selectors

BRANCHES = ("refs/heads/", "refs/tags/")


@dataclass(frozen=True, slots=True)
class Bill:
    """The cost of one move of refs, and who pays.

    `proposer` pays for new bytes; None: the owner pays. `adopted`: large objects of earlier proposals that a
    branch now holds; `merged`: refs of pull requests whose small files it holds.
    """

    proposer: User | None
    ref: str = ""
    adopted: frozenset[str] = frozenset()
    merged: tuple[str, ...] = ()


def bill_of(actor: Principal, repository: LockedRepository, updates: Sequence[RefUpdate]) -> Bill:
    """Step: say who pays. The history is read only where something was proposed."""
    proposer = quotas.proposer_of(actor, repository)
    if proposer is not None:
        return Bill(proposer, ref=next((update.ref for update in updates), ""))
    heads = [update.new for update in updates if update.new and update.ref.startswith(BRANCHES)]
    proposed = links.proposed_in(repository) if heads else frozenset()
    proposals = set(repository.proposed_bytes.values_list("ref", flat=True)) if heads else set()
    if not proposed and not proposals:
        return Bill(None)
    git = selectors.git_of(repository)
    tips = refs.commits_of(repository, proposals)
    return Bill(
        None,
        adopted=proposed & git.pointers(heads).keys() if proposed else frozenset(),
        merged=tuple(ref for ref, tip in tips.items() if any(git.is_ancestor(tip, head) for head in heads)),
    )


def settle(bill: Bill, repository: LockedRepository, added_bytes: int) -> int:
    """Step: write down the bytes of small files; return those that the repository itself grows by.

    Raises: StorageQuotaExceeded when the owner has no room for what a merge takes over.
    """
    if bill.proposer is not None:
        if added_bytes:
            ProposedBytes.objects.get_or_create(repository=repository, ref=bill.ref, user=bill.proposer)
            mine = ProposedBytes.objects.filter(repository=repository, ref=bill.ref, user=bill.proposer)
            mine.update(size_bytes=F("size_bytes") + added_bytes)
        return 0
    if not bill.merged:
        return added_bytes
    merged = ProposedBytes.objects.filter(repository=repository, ref__in=bill.merged)
    taken = merged.aggregate(total=Sum("size_bytes"))["total"] or 0
    quotas.require_room_for_bytes(repository.namespace, taken)
    merged.delete()
    return added_bytes + taken
