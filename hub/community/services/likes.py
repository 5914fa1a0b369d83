"""Use cases of likes."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F

from hub.accounts.principals import Principal
from hub.community import policies
from hub.community.models import Like
from hub.community.signals import repository_liked
from hub.repos.models import Repository


def like(*, actor: Principal, repository: Repository, now: datetime) -> bool:
    """Like a repository; liking twice counts once. True: it was not liked before.

    Raises: Unauthenticated, ScopeMissing.
    """
    policies.require_personal(actor)
    with transaction.atomic(durable=True):
        _, created = Like.objects.get_or_create(
            repository=repository, user=actor.user, defaults={"created_at": now}
        )
        if created:
            Repository.objects.filter(pk=repository.pk).update(likes=F("likes") + 1)
            repository_liked.send(sender=Like, repository=repository, user=actor.user)
    return created


def unlike(*, actor: Principal, repository: Repository) -> bool:
    """Take a like back; without one nothing changes. True: it was liked before.

    Raises: Unauthenticated, ScopeMissing.
    """
    policies.require_personal(actor)
    with transaction.atomic(durable=True):
        removed, _ = Like.objects.filter(repository=repository, user=actor.user).delete()
        if removed:
            Repository.objects.filter(pk=repository.pk).update(likes=F("likes") - 1)
    return bool(removed)
