"""Use cases of pull requests: open, propose a commit, merge."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.utils.translation import gettext

from foundation.errors import Invalid
from foundation.held_rows import held_row
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
from hub.revisions import moves, refs
from hub.revisions import selectors as revisions
from hub.revisions.pull_refs import pull_request_number
from hub.revisions.selectors import Head
from hub.revisions.services.commits import Committed, NewCommit, commit_to_ref

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
    locked = locking.lock_for_change(
        repository.pk, lambda held: policies.require_discuss(actor.reread(), held)
    )
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
    # No pull request has this number. An earlier release may have left a ref of it in git's files.
    left = refs.commit_of(locked, pull_request.ref)
    moves.move_refs(locked, [RefUpdate(pull_request.ref, left, base.commit)])
    return pull_request


def base_head(repository: Repository, base: str | None) -> Head:
    """Raises: RevisionNotFound for everything but a branch."""
    found = revisions.find_branch(repository, base or repository.default_branch)
    if not found.ref.startswith("refs/heads/"):
        raise RevisionNotFound(revision=base)
    if len(found.ref) > BASE_REF_CHARS_MAX:
        raise Invalid(reason=gettext("The branch's name is too long for a pull request."))
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
            actor=actor,
            repository=repository,
            ref=pull_request.ref,
            request=request,
            recheck=push_recheck(actor, pull_request),
            now=now,
        )
    except PullRequestFinished:
        # Somebody else closed or merged it before its commit arrived. It keeps their record.
        raise
    except Exception:
        _withdraw(pull_request)
        raise
    with transaction.atomic(durable=True):
        threads.announce(discussion=pull_request, actor=actor)
    return pull_request, committed


def _withdraw(pull_request: Discussion) -> None:
    """Undo the creation of a pull request that was not announced yet."""
    held = refs.commit_of(pull_request.repository, pull_request.ref)
    with transaction.atomic(durable=True):
        locked = locking.lock_for_undo(pull_request.repository_id)
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


def push_recheck(actor: Principal, pull_request: Discussion) -> locking.Recheck:
    """The check that a pull request was neither closed nor merged, and that the actor may still push to it.

    It raises: DeletedMeanwhile, PullRequestFinished, what `policies.require_push` raises.
    """

    def recheck(repository: Repository) -> None:
        found = held_row(Discussion.objects.filter(pk=pull_request.pk))
        require_unfinished(found)
        found.repository = repository
        policies.require_push(actor.reread(), found)

    return recheck


def merge(*, actor: Principal, pull_request: Discussion, text: str = "", now: datetime) -> DiscussionEvent:
    """Bring the commits to the base branch: fast-forward where that suffices, else by a merge commit.

    A merge whose base branch moved meanwhile is made again. One whose pull request gained commits, or was
    closed or merged, is refused: nobody asked to merge those commits.
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
    proposed = refs.commit_of(repository, pull_request.ref)
    if proposed is None:
        raise RevisionNotFound(revision=pull_request.ref)
    for _ in range(MERGE_ATTEMPTS):
        made = _prepare(actor=actor, pull_request=pull_request, theirs=proposed, now=now)
        try:
            return _move_and_record(actor=actor, pull_request=pull_request, made=made, text=text, now=now)
        except RefChanged:
            if refs.commit_of(repository, pull_request.ref) != proposed:
                raise
    raise RefChanged


class _Merge(NamedTuple):
    """A merge whose objects are written. All are ids of commits."""

    base: str
    """Where both sides last agreed."""
    ours: str
    """The head of the base branch that the merge was made for."""
    theirs: str
    """The head of the pull request that the merge was made for."""
    merged: str
    """The head of the base branch afterwards; `ours` if it holds the commits already."""


def _prepare(*, actor: Principal, pull_request: Discussion, theirs: str, now: datetime) -> _Merge:
    """Write what the merge needs; no ref moves.

    Raises: PullRequestConflicts, RevisionNotFound, TreeTooLarge.
    """
    git = revisions.git_of(pull_request.repository)
    ours = refs.commit_of(pull_request.repository, pull_request.base_ref)
    if ours is None:
        raise RevisionNotFound(revision=pull_request.base_ref)
    base = git.merge_base(ours, theirs) or ours
    if git.is_ancestor(theirs, ours):
        return _Merge(base, ours, theirs, ours)
    if git.is_ancestor(ours, theirs):
        return _Merge(base, ours, theirs, theirs)
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
    return _Merge(base, ours, theirs, merged)


def _move_and_record(
    *, actor: Principal, pull_request: Discussion, made: _Merge, text: str, now: datetime
) -> DiscussionEvent:
    """Record the merge and move the base branch, in one transaction.

    A commit to the pull request, its closing and another merge of it take the same lock: they come before,
    and this one is refused, or after, and they find it merged.
    Raises: StatusRefused (not open any more), RefChanged (either side moved), what `lock_for_change`,
    `moves.move` raises.
    """
    repository = pull_request.repository
    updates = []
    if made.merged != made.ours:
        updates.append(RefUpdate(pull_request.base_ref, made.ours, made.merged))
    facts = moves.facts_for(repository, updates)
    with transaction.atomic(durable=True):
        changed = locking.lock_for_change(repository.pk, locking.role_recheck(actor))
        locked = threads.lock_discussion(pull_request)
        if locked.status != Status.OPEN:
            raise StatusRefused(old=locked.get_status_display(), new=Status.MERGED.label)
        found = refs.commits_of(changed, [locked.base_ref, locked.ref])
        if (found.get(locked.base_ref), found.get(locked.ref)) != (made.ours, made.theirs):
            raise RefChanged
        if updates:
            moves.move(actor=actor, repository=changed, updates=updates, facts=facts, now=now)
        # The facts that webhooks get name the new head.
        locked.repository = changed
        if text:
            threads.insert_comment(discussion=locked, text=text, actor=actor, now=now)
        locked.merge_base_sha, locked.merge_commit_sha = made.base, made.merged
        locked.save(update_fields=["merge_base_sha", "merge_commit_sha"])
        event = threads.move_status(discussion=locked, status=Status.MERGED, actor=actor, now=now)
    repository.head_sha, repository.updated_at = changed.head_sha, changed.updated_at
    return event


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
