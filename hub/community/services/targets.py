"""The targets of commits: a branch, an open pull request, or one that the commit opens (ADR 0180)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.utils.translation import gettext as _

from foundation.errors import Invalid
from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.community import policies
from hub.community.models import Discussion
from hub.community.services import pull_requests
from hub.repos import locking, quotas
from hub.repos import policies as repos
from hub.repos.models import Repository
from hub.revisions import selectors as revisions
from hub.revisions.pull_refs import pull_request_number
from hub.revisions.selectors import Head
from hub.revisions.services import super_squash
from hub.revisions.services.commits import Committed, NewCommit, commit_to_ref
from hub.revisions.staging import Staging


@dataclass(frozen=True, slots=True)
class Placed:
    """A commit, and the pull request that holds it; None: it is on a branch."""

    committed: Committed
    pull_request: Discussion | None = None


class Target(ABC):
    """The place that the commits of one request go to. `open_target` makes it after it asked the policy.

    The ref is looked up once, when it is first needed: its head is what staging and preuploads go by. A
    commit reads the ref again, since its body may have taken minutes.
    """

    def __init__(self, actor: Principal, repository: Repository, revision: str) -> None:
        self.actor, self.repository, self.revision = actor, repository, revision

    @cached_property
    def head(self) -> Head:
        """The ref that commits are put on, or a new pull request is based on. Raises: RevisionNotFound."""
        return revisions.find_branch(self.repository, self.revision)

    @property
    def proposer(self) -> User | None:
        """The user whose quota the content counts against; None: the repository's owner."""
        return quotas.proposer_of(self.actor, self.repository)

    def staging(self, now: datetime) -> Staging:
        """Raises: RevisionNotFound."""
        return Staging(repository=self.repository, commit=self.head.commit, now=now, proposer=self.proposer)

    @abstractmethod
    def squash(self, message: str, now: datetime) -> None:
        """Leave one commit there. Raises: Invalid (there is nothing yet), what `super_squash` raises."""

    @abstractmethod
    def commit(self, request: NewCommit, now: datetime) -> Placed:
        """Raises: RevisionNotFound, and what `revisions.services.commit_to_ref` raises."""


class Branch(Target):
    @property
    def proposer(self) -> None:
        """Those who may write to a branch bring content for the owner."""
        return None

    def commit(self, request: NewCommit, now: datetime) -> Placed:
        return Placed(
            commit_to_ref(
                actor=self.actor,
                repository=self.repository,
                ref=self.head.ref,
                request=request,
                recheck=locking.role_recheck(self.actor),
                now=now,
            )
        )

    def squash(self, message: str, now: datetime) -> None:
        super_squash(
            actor=self.actor,
            repository=self.repository,
            revision=self.revision,
            message=message,
            now=now,
        )


class PullRequest(Target):
    def __init__(self, actor: Principal, repository: Repository, pull_request: Discussion) -> None:
        super().__init__(actor, repository, pull_request.ref)
        self.pull_request = pull_request

    def commit(self, request: NewCommit, now: datetime) -> Placed:
        committed = commit_to_ref(
            actor=self.actor,
            repository=self.repository,
            ref=self.pull_request.ref,
            request=request,
            recheck=pull_requests.push_recheck(self.actor, self.pull_request),
            now=now,
        )
        return Placed(committed, self.pull_request)

    def squash(self, message: str, now: datetime) -> None:
        """For those who may write to the repository, while the pull request is open."""
        super_squash(
            actor=self.actor,
            repository=self.repository,
            revision=self.pull_request.ref,
            message=message,
            now=now,
            recheck=pull_requests.push_recheck(self.actor, self.pull_request),
        )


class NewPullRequest(Target):
    @cached_property
    def head(self) -> Head:
        """The branch that is proposed against. Raises: RevisionNotFound, Invalid (its name is too long)."""
        return pull_requests.base_head(self.repository, self.revision)

    def commit(self, request: NewCommit, now: datetime) -> Placed:
        """As `pull_requests.propose_commit`."""
        pull_request, committed = pull_requests.propose_commit(
            actor=self.actor, repository=self.repository, base=self.head, request=request, now=now
        )
        return Placed(committed, pull_request)

    def squash(self, message: str, now: datetime) -> None:
        raise Invalid(reason=_("A pull request that is not open yet has no history."))


def open_target(
    *, actor: Principal, repository: Repository, revision: str, is_new_pull_request: bool = False
) -> Target:
    """The target that a request names, if the actor may put commits there.

    `revision` is a branch or `refs/pr/N`; for a new pull request the branch that it is proposed against.
    Raises: what `repos.policies.require_write` raises for a branch; what `pull_requests.require_push` raises
    for a pull request; what `policies.require_discuss` raises for a new one. Not RevisionNotFound: whether
    the branch exists is looked up later.
    """
    if is_new_pull_request:
        policies.require_discuss(actor, repository)
        return NewPullRequest(actor, repository, revision)
    number = pull_request_number(revision)
    if number is None:
        repos.require_write(actor, repository)
        return Branch(actor, repository, revision)
    found = pull_requests.require_push(actor=actor, repository=repository, number=number)
    return PullRequest(actor, repository, found)
