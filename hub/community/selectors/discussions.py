"""Reads of discussions. The caller has found the repository already, so the actor may see it.

Comments are shown despite a gate; the changes of a pull request are content and need the rights to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Prefetch, QuerySet

from hub.accounts.principals import Principal
from hub.community.errors import CommentNotFound, DiscussionNotFound
from hub.community.models import Discussion, DiscussionEvent, EventType, PastText, Status
from hub.gitstore import GitRepository
from hub.repos import policies as repos
from hub.repos.models import Repository
from hub.revisions import refs
from hub.revisions import selectors as revisions


def get_discussion(*, actor: Principal, repository: Repository, number: int) -> Discussion:
    """Raises: RepositoryNotFound, RepositoryDisabled, DiscussionNotFound."""
    repos.require_open(actor, repository)
    found = Discussion.objects.with_people().filter(repository=repository, number=number).first()
    if found is None:
        raise DiscussionNotFound(number=number, repo_id=repository.full_name)
    return found


def list_discussions(
    *,
    actor: Principal,
    repository: Repository,
    is_pull_request: bool | None = None,
    status: str | None = None,
    author: str = "",
    search: str = "",
) -> QuerySet[Discussion]:
    """Newest first. `open` means not finished (drafts too), `closed` includes the merged.

    Raises: RepositoryNotFound, RepositoryDisabled.
    """
    repos.require_open(actor, repository)
    found = Discussion.objects.with_people().filter(repository=repository)
    if is_pull_request is not None:
        found = found.filter(is_pull_request=is_pull_request)
    if status == "open":
        found = found.unfinished()
    elif status == "closed":
        found = found.filter(status__in=[Status.CLOSED, Status.MERGED])
    elif status:
        found = found.filter(status=status)
    if author:
        found = found.filter(author__namespace__key=author.lower())
    if search:
        found = found.filter(title__icontains=search)
    return found.order_by("-created_at", "-id")


def count_open(repository: Repository) -> int:
    """The number of unfinished discussions and pull requests."""
    return Discussion.objects.filter(repository=repository).unfinished().count()


def own_open_refs(*, actor: Principal, repository: Repository) -> frozenset[str]:
    """The refs of the actor's own unfinished pull requests: those may be pushed to without write access."""
    if actor.user is None:
        return frozenset()
    own = Discussion.objects.unfinished().filter(
        repository=repository, author=actor.user, is_pull_request=True
    )
    return frozenset(pull_request.ref for pull_request in own)


def list_events(*, actor: Principal, discussion: Discussion) -> list[DiscussionEvent]:
    """Oldest first, with authors and past texts loaded.

    Commits are left out for those who may not fetch files: their titles often name files.
    Raises: RepositoryNotFound, RepositoryDisabled.
    """
    repos.require_open(actor, discussion.repository)
    events = _events_of(discussion)
    if repos.can_fetch(actor, discussion.repository):
        return events
    return [event for event in events if event.type != EventType.COMMIT]


def _events_of(discussion: Discussion) -> list[DiscussionEvent]:
    past = PastText.objects.select_related("author__namespace").order_by("id")
    return list(
        discussion.events.select_related("author__namespace", "edited_by__namespace")
        .prefetch_related(Prefetch("past_texts", queryset=past))
        .order_by("id")
    )


def get_comment(*, actor: Principal, discussion: Discussion, key: str) -> DiscussionEvent:
    """One comment, hidden or not, with its past texts.

    Raises: RepositoryNotFound, RepositoryDisabled, CommentNotFound.
    """
    repos.require_open(actor, discussion.repository)
    for event in _events_of(discussion):
        if event.key == key and event.type == EventType.COMMENT:
            return event
    raise CommentNotFound


def get_event(event_id: int) -> DiscussionEvent | None:
    """For jobs: without a check of permissions."""
    return (
        DiscussionEvent.objects.select_related(
            "author__namespace", "discussion__repository__namespace", "discussion__author__namespace"
        )
        .filter(pk=event_id)
        .first()
    )


@dataclass(frozen=True, slots=True)
class Proposal:
    """The changes of a pull request. `conflicts` is empty once it is merged."""

    base: str
    head: str
    conflicts: list[str]


def proposal_of(*, actor: Principal, pull_request: Discussion) -> Proposal | None:
    """None when the base branch or the ref is gone. Raises: what `require_content` raises."""
    repos.require_content(actor, pull_request.repository)
    git = revisions.git_of(pull_request.repository)
    found = refs.commits_of(pull_request.repository, [pull_request.ref, pull_request.base_ref])
    head, ours = found.get(pull_request.ref), found.get(pull_request.base_ref)
    if head is None:
        return None
    if pull_request.merge_base_sha:
        return Proposal(base=pull_request.merge_base_sha, head=head, conflicts=[])
    if ours is None:
        return None
    conflicts = [] if pull_request.is_finished else git.conflicts(ours, head)
    return Proposal(base=_merge_base(git, ours, head), head=head, conflicts=conflicts)


def _merge_base(git: GitRepository, ours: str, head: str) -> str:
    return git.merge_base(ours, head) or ours


def diff_of(*, actor: Principal, pull_request: Discussion, proposal: Proposal) -> str:
    """The unified diff of what it would change. Raises: what `require_content` raises."""
    repos.require_content(actor, pull_request.repository)
    return revisions.git_of(pull_request.repository).patch_text(proposal.base, proposal.head)
