"""Permissions to discuss, propose, merge and collect."""

from __future__ import annotations

from django.db.models import Q

from hub.accounts import policies as accounts
from hub.accounts.models import AccessToken, Role
from hub.accounts.principals import Principal
from hub.community.errors import CollectionNotFound, DiscussionDenied, DiscussionsDisabled
from hub.community.models import Collection, Discussion, DiscussionEvent
from hub.repos import policies as repos
from hub.repos.models import Repository


def require_discuss(actor: Principal, repository: Repository) -> None:
    """May open and comment: who is signed in and reads the repository, unless discussions are off.

    Raises: Unauthenticated, RepositoryNotFound, RepositoryGated, RepositoryDenied, DiscussionsDisabled.
    """
    repos.require_propose(actor, repository)
    if repository.discussions_disabled:
        raise DiscussionsDisabled


def can_moderate(actor: Principal, discussion: Discussion) -> bool:
    """Rename, close, reopen: allowed for its author and for users with write access to the repository."""
    if actor.user is None:
        return False
    return repos.has_role(actor, discussion.repository, Role.WRITE) or (
        discussion.author_id == actor.user_id
        and repos.can_see(actor, discussion.repository)
        and actor.is_granted(
            namespace_id=discussion.repository.namespace_id,
            repository_id=discussion.repository_id,
            write=True,
        )
    )


def require_moderate(actor: Principal, discussion: Discussion) -> None:
    """Raises: what `require_discuss` raises, DiscussionDenied."""
    require_discuss(actor, discussion.repository)
    if not can_moderate(actor, discussion):
        raise DiscussionDenied(repo_id=discussion.repository.full_name)


def require_edit(actor: Principal, comment: DiscussionEvent) -> None:
    """A comment's words are its author's alone. Raises: what `require_discuss` raises, DiscussionDenied."""
    require_discuss(actor, comment.discussion.repository)
    if comment.author_id != actor.user_id:
        raise DiscussionDenied(repo_id=comment.discussion.repository.full_name)


def require_hide(actor: Principal, comment: DiscussionEvent) -> None:
    """By its author, or by those who write to the repository.

    Raises: what `require_discuss` raises, DiscussionDenied.
    """
    discussion = comment.discussion
    require_discuss(actor, discussion.repository)
    if comment.author_id != actor.user_id and not repos.has_role(actor, discussion.repository, Role.WRITE):
        raise DiscussionDenied(repo_id=discussion.repository.full_name)


def require_push(actor: Principal, pull_request: Discussion) -> None:
    """Check that the actor may add commits to a pull request: its author, or a user with write access to the
    repository.

    Raises: what `require_moderate` raises, RepositoryArchived, RepositoryDisabled.
    """
    require_moderate(actor, pull_request)


def collections_readable_by(actor: Principal) -> Q:
    """The filter that every look-up of collections goes through."""
    if actor.is_system:
        return Q()
    public = Q(is_private=False)
    if actor.is_anonymous or not actor.has_scope(AccessToken.Scope.READ):
        return public
    mine = list(actor.roles)
    if actor.is_fine_grained:
        granted = {namespace for namespace, repository, _ in actor.grants if repository is None}
        mine = [namespace for namespace in mine if namespace in granted]
    return public | Q(namespace_id__in=mine)


def can_change_collection(actor: Principal, collection: Collection) -> bool:
    return accounts.has_role(actor, collection.namespace, Role.WRITE)


def require_change_collection(actor: Principal, collection: Collection) -> None:
    """Raises: Unauthenticated, NamespaceDenied, ScopeMissing; CollectionNotFound where it is hidden."""
    if collection.is_private and not accounts.has_role(actor, collection.namespace, Role.READ, write=False):
        raise CollectionNotFound(slug=collection.slug)
    accounts.require_role(actor, collection.namespace, Role.WRITE)


def require_personal(actor: Principal) -> None:
    """Likes, follows, watches, votes: any signed-in user, or a whole token that may write.

    They belong to the account, not to a repository that a fine-grained token was granted.
    Raises: Unauthenticated, ScopeMissing, Denied (a fine-grained token).
    """
    accounts.require_account_owner(actor)
