"""Use cases of pull requests: open, propose a commit, merge."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from foundation.errors import Invalid
from hub.accounts.principals import Principal
from hub.community import policies
from hub.community.errors import NotAPullRequest, PullRequestConflicts, PullRequestFinished, StatusRefused
from hub.community.models import Discussion, DiscussionEvent, Status
from hub.community.models.discussions import BASE_REF_CHARS_MAX, TITLE_CHARS_MAX, TITLE_CHARS_MIN
from hub.community.selectors import discussions as selectors
from hub.community.services import discussions as threads
from hub.gitstore import Commit, RefChanged, RefUpdate, RevisionNotFound
from hub.repos import locking
from hub.repos import policies as repos
from hub.repos.models import Repository
from hub.repos.services import git_author
from hub.revisions import moves
from hub.revisions import selectors as revisions
from hub.revisions.pull_refs import pull_request_number
from hub.revisions.selectors import Head
from hub.revisions.services.commits import Committed, NewCommit, commit_to_ref, move_ref

MERGE_ATTEMPTS = 20
CONFLICTS_NAMED = 10
COMMITS_NOTED = 50


def open_pull_request(
    *,
    actor: Principal,
    repository: Repository,
    title: str,
    text: str,
    base: str | None = None,
    now: datetime,
) -> Discussion:
    """Start a draft whose ref, `refs/pr/{number}`, is at the head of the branch `base` (None: the default).

    Raises: Unauthenticated, RepositoryGated, DiscussionsDisabled, RepositoryArchived, Invalid,
    RevisionNotFound when `base` is not a branch.
    """
    policies.require_discuss(actor, repository)
    head = base_head(repository, base)
    with transaction.atomic(durable=True):
        return _insert(
            actor=actor,
            repository=repository,
            title=title,
            text=text,
            base=head,
            status=Status.DRAFT,
            now=now,
        )


def _insert(
    *,
    actor: Principal,
    repository: Repository,
    title: str,
    text: str,
    base: Head,
    status: Status,
    is_announced: bool = True,
    now: datetime,
) -> Discussion:
    """Step: insert the row with its number, then make the ref of that number."""
    locked = locking.lock_for_change(repository.pk)
    pull_request = threads.insert_discussion(
        repository=locked,
        title=threads.valid_title(title),
        text=threads.valid_text(text),
        actor=actor,
        now=now,
        base_ref=base.ref,
        status=status,
        is_announced=is_announced,
    )
    # No row has this number. A ref of it is what a crash between git and the database left.
    left = revisions.git_of(repository).held_by(pull_request.ref)
    moves.move_refs(locked, [RefUpdate(pull_request.ref, left, base.commit)])
    return pull_request


def base_head(repository: Repository, base: str | None) -> Head:
    """Raises: RevisionNotFound for everything but a branch."""
    found = revisions.find_branch(repository, base or repository.default_branch)
    if not found.ref.startswith("refs/heads/"):
        raise RevisionNotFound(revision=base)
    if len(found.ref) > BASE_REF_CHARS_MAX:
        raise Invalid(reason="The branch's name is too long for a pull request.")
    return found


def propose_commit(
    *, actor: Principal, repository: Repository, base: Head, request: NewCommit, now: datetime
) -> tuple[Discussion, Committed]:
    """Open a pull request that holds one commit; whether the actor may is settled by `open_target`.

    Titled and described as the commit is. A commit that is refused leaves no pull request open.
    Raises: Invalid, RepositoryArchived, and what `revisions.services.commit_to_ref` raises.
    """
    title = request.title.strip()
    with transaction.atomic(durable=True):
        pull_request = _insert(
            actor=actor,
            repository=repository,
            title=(title if len(title) >= TITLE_CHARS_MIN else f"Update: {title}")[:TITLE_CHARS_MAX],
            text=request.body,
            base=base,
            status=Status.OPEN,
            is_announced=False,
            now=now,
        )
    try:
        committed = commit_to_ref(
            actor=actor, repository=repository, ref=pull_request.ref, request=request, now=now
        )
    except Exception:
        _withdraw(pull_request)
        raise
    with transaction.atomic(durable=True):
        threads.announce(discussion=pull_request, actor=actor)
    return pull_request, committed


def _withdraw(pull_request: Discussion) -> None:
    """Undo the creation of a pull request that was not announced yet."""
    held = revisions.git_of(pull_request.repository).held_by(pull_request.ref)
    with transaction.atomic(durable=True):
        locked = locking.lock_repository(pull_request.repository_id)
        moves.move_refs(locked, [RefUpdate(pull_request.ref, held, None)])
        pull_request.delete()


def require_push(*, actor: Principal, repository: Repository, number: int) -> Discussion:
    """The pull request, if the actor may put commits on it.

    Raises: DiscussionNotFound, NotAPullRequest, PullRequestFinished, DiscussionDenied.
    """
    pull_request = selectors.get_discussion(actor=actor, repository=repository, number=number)
    if not pull_request.is_pull_request:
        raise NotAPullRequest(number=number)
    policies.require_push(actor, pull_request)
    require_unfinished(pull_request)
    return pull_request


def require_unfinished(pull_request: Discussion) -> None:
    """Raises: PullRequestFinished."""
    if pull_request.is_finished:
        raise PullRequestFinished(number=pull_request.number, status=pull_request.get_status_display())


def merge(*, actor: Principal, pull_request: Discussion, text: str = "", now: datetime) -> DiscussionEvent:
    """Bring the commits to the base branch: fast-forward where that suffices, else by a merge commit.

    Raises: NotAPullRequest, RepositoryDenied, RepositoryArchived, DiscussionsDisabled, StatusRefused
    (a draft must be opened first), PullRequestConflicts, RefChanged, RevisionNotFound, TreeTooLarge.
    """
    if not pull_request.is_pull_request:
        raise NotAPullRequest(number=pull_request.number)
    repository = pull_request.repository
    repos.require_write(actor, repository)
    text = threads.valid_text(text)
    if pull_request.status != Status.OPEN:
        raise StatusRefused(old=pull_request.get_status_display(), new=Status.MERGED.label)
    base, head = _bring_to_base(actor=actor, pull_request=pull_request, now=now)
    with transaction.atomic(durable=True):
        # A push to the ref of a pull request looks at its status under the same lock.
        locking.lock_repository(repository.pk)
        locked = threads.lock_discussion(pull_request)
        if locked.status == Status.MERGED:
            # Somebody else merged the same commits in the same moment.
            raise StatusRefused(old=locked.get_status_display(), new=Status.MERGED.label)
        if text:
            threads.insert_comment(discussion=locked, text=text, actor=actor, now=now)
        locked.merge_base_sha, locked.merge_commit_sha = base, head
        locked.save(update_fields=["merge_base_sha", "merge_commit_sha"])
        # Closed meanwhile or not: the commits are on the base branch now, and the record says so.
        if locked.status != Status.OPEN:
            threads.move_status(discussion=locked, status=Status.OPEN, actor=actor, now=now)
        return threads.move_status(discussion=locked, status=Status.MERGED, actor=actor, now=now)


def _bring_to_base(*, actor: Principal, pull_request: Discussion, now: datetime) -> tuple[str, str]:
    """Move the base branch; return (where both sides last agreed, the commit it is at now)."""
    repository = pull_request.repository
    git = revisions.git_of(repository)
    for _ in range(MERGE_ATTEMPTS):
        ours, theirs = git.target(pull_request.base_ref), git.target(pull_request.ref)
        if ours is None or theirs is None:
            raise RevisionNotFound(revision=pull_request.base_ref if ours is None else pull_request.ref)
        merge_base = git.merge_base(ours, theirs) or ours
        if git.is_ancestor(theirs, ours):
            return merge_base, ours
        merged: str | None = theirs
        if not git.is_ancestor(ours, theirs):
            merged = git.write_merge(
                ours=ours,
                theirs=theirs,
                message=f"Merge pull request #{pull_request.number}\n\n{pull_request.title}\n",
                author=git_author(actor),
                at=now,
            )
        if merged is None:
            files = git.conflicts(ours, theirs)
            raise PullRequestConflicts(files=", ".join(files[:CONFLICTS_NAMED]), number=pull_request.number)
        try:
            move_ref(
                actor=actor,
                repository=repository,
                update=RefUpdate(ref=pull_request.base_ref, old=ours, new=merged),
                now=now,
            )
        except RefChanged:
            continue
        return merge_base, merged
    raise RefChanged


def record_commits(
    *, repository: Repository, ref: str, old: str | None, new: str, actor: Principal, now: datetime
) -> None:
    """Step: note on a pull request the commits that its ref has come to hold, oldest first.

    Of a large push only the newest are noted. A ref without a pull request is left alone.
    """
    number = pull_request_number(ref)
    pull_request = (
        Discussion.objects.filter(repository=repository, number=number, is_pull_request=True).first()
        if number is not None
        else None
    )
    if pull_request is None:
        return
    locked = threads.lock_discussion(pull_request)
    git = revisions.git_of(repository)
    fresh: list[Commit] = []
    for commit in git.history(new):
        if commit.oid == old or len(fresh) >= COMMITS_NOTED or (old and git.is_ancestor(commit.oid, old)):
            break
        fresh.append(commit)
    for commit in reversed(fresh):
        threads.record_commit(discussion=locked, subject=commit.title, oid=commit.oid, actor=actor, now=now)
