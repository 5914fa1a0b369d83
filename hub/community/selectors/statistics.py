"""Counts over everything that is public."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Sum

from hub.accounts.models import Namespace, User, Visibility
from hub.community.models import Collection, Discussion
from hub.repos.models import Kind, Repository


def public_counts() -> dict[str, Any]:
    """Users, organizations, repositories by kind, downloads, likes, discussions, collections."""
    public = Repository.objects.live().filter(visibility=Visibility.PUBLIC)
    sums = public.aggregate(downloads=Sum("downloads_total"), likes=Sum("likes"))
    kinds = dict(public.order_by().values_list("kind").annotate(n=Count("pk")))
    return {
        "users": User.objects.filter(is_active=True).count(),
        "organizations": Namespace.objects.filter(kind=Namespace.Kind.ORGANIZATION).count(),
        "repositories": {kind: kinds.get(kind, 0) for kind in Kind.values},
        "downloads_total": sums["downloads"] or 0,
        "likes": sums["likes"] or 0,
        "discussions": Discussion.objects.filter(repository__in=public).count(),
        "collections": Collection.objects.filter(is_private=False).count(),
    }
