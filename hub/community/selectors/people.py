"""Reads about people: overviews, followers, likes, watches, notifications."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from hub.accounts.models import Namespace, User
from hub.accounts.principals import Principal
from hub.community.errors import NoticeNotFound
from hub.community.models import (
    Collection,
    Discussion,
    Follow,
    Like,
    Notice,
    NoticeSettings,
    Notification,
    Watch,
)
from hub.repos import policies as repos
from hub.repos.models import Kind, Repository


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts of a user's or an organization's repositories and more, as far as the actor may see them."""

    repositories: dict[str, int]
    followers: int
    following: int
    members: int
    likes: int
    discussions: int
    upvotes: int
    is_following: bool


def overview_of(*, actor: Principal, namespace: Namespace) -> Overview:
    """Counts for the page of a user or an organization."""
    live = Repository.objects.live().filter(repos.readable_by(actor))
    kinds = live.filter(namespace=namespace).values_list("kind").annotate(n=Count("pk"))
    user = None if namespace.is_organization else User.objects.filter(namespace=namespace).first()
    return Overview(
        repositories=dict.fromkeys(Kind.values, 0) | dict(kinds),
        followers=Follow.objects.filter(namespace=namespace, user__is_active=True).count(),
        following=Follow.objects.filter(user=user).count() if user else 0,
        members=namespace.memberships.count() if namespace.is_organization else 0,
        likes=Like.objects.filter(user=user, repository__in=live).count() if user else 0,
        discussions=Discussion.objects.filter(author=user, repository__in=live).count() if user else 0,
        upvotes=sum(
            Collection.objects.filter(namespace=namespace, is_private=False).values_list("upvotes", flat=True)
        ),
        is_following=is_following(actor=actor, namespace=namespace),
    )


def is_following(*, actor: Principal, namespace: Namespace) -> bool:
    return (
        actor.user_id is not None
        and Follow.objects.filter(user_id=actor.user_id, namespace=namespace).exists()
    )


def followers_of(namespace: Namespace) -> QuerySet[Follow]:
    """Newest first, with the following user loaded."""
    found = Follow.objects.filter(namespace=namespace, user__is_active=True)
    return found.select_related("user__namespace").order_by("-id")


def followed_by(user: User) -> QuerySet[Follow]:
    """Newest first, with the followed user or organization loaded."""
    return Follow.objects.filter(user=user).select_related("namespace").order_by("-id")


def likers_of(repository: Repository) -> QuerySet[Like]:
    """Newest first, with the user loaded."""
    found = Like.objects.filter(repository=repository, user__is_active=True)
    return found.select_related("user__namespace").order_by("-id")


def likes_of(*, actor: Principal, user: User) -> QuerySet[Like]:
    """The repositories that a user likes, newest first, as far as the actor may see them."""
    live = Repository.objects.live().filter(repos.readable_by(actor))
    return Like.objects.filter(user=user, repository__in=live).select_related("repository").order_by("-id")


def is_liked(*, actor: Principal, repository: Repository) -> bool:
    return (
        actor.user_id is not None
        and Like.objects.filter(user_id=actor.user_id, repository=repository).exists()
    )


def watches_of(*, actor: Principal) -> QuerySet[Watch]:
    """The actor's own, newest first; those of repositories that are hidden by now are left out."""
    if actor.user is None:
        return Watch.objects.none()
    live = Repository.objects.live().filter(repos.readable_by(actor))
    found = Watch.objects.filter(Q(repository=None) | Q(repository__in=live), user=actor.user)
    return found.select_related("namespace", "repository").order_by("-id")


def is_watching(*, actor: Principal, target: Namespace | Repository) -> bool:
    where = {"repository": target} if isinstance(target, Repository) else {"namespace": target}
    return actor.user_id is not None and Watch.objects.filter(user_id=actor.user_id, **where).exists()


def notifications_of(*, actor: Principal, is_read: bool | None = None) -> QuerySet[Notification]:
    """The actor's own, newest first; those about repositories that are hidden by now are left out."""
    if actor.user is None:
        return Notification.objects.none()
    live = Repository.objects.live().filter(repos.readable_by(actor))
    found = Notification.objects.filter(user=actor.user, discussion__repository__in=live)
    if is_read is not None:
        found = found.filter(is_read=is_read)
    return found.select_related(
        "discussion__repository__namespace", "discussion__author__namespace", "event__author__namespace"
    ).order_by("-updated_at", "-id")


def notices_of(*, actor: Principal, is_read: bool | None = None) -> QuerySet[Notice]:
    """The actor's own notices of what is no discussion, newest first."""
    if actor.user is None:
        return Notice.objects.none()
    found = Notice.objects.filter(user=actor.user).order_by("-created_at", "-id")
    return found if is_read is None else found.filter(is_read=is_read)


def get_notice(*, actor: Principal, notice_id: int) -> Notice:
    """One of the actor's own. Raises: NoticeNotFound."""
    found = notices_of(actor=actor).filter(pk=notice_id).first()
    if found is None:
        raise NoticeNotFound
    return found


def notice_settings_of(*, actor: Principal) -> NoticeSettings:
    """The actor's own; the defaults, unsaved, where nothing was chosen."""
    return NoticeSettings.objects.filter(user=actor.user_id).first() or NoticeSettings(user=actor.user)


def unread_count(actor: Principal) -> int:
    """Of those that are shown."""
    return notifications_of(actor=actor, is_read=False).count()
