"""Likes (docs/wire/huggingface.md#users-organizations-likes)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from hub.accounts import selectors as accounts
from hub.api.hf.account import avatar_url
from hub.api.hf.answers import people as answers
from hub.api.hf.answers.common import RepositoryName, Success
from hub.api.hf.http import actor, repository, route
from hub.api.hf.paging import newest_first
from hub.api.json import timestamp
from hub.api.structs import answer_with
from hub.community.selectors import people
from hub.community.services import likes


def like(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    likes.like(actor=actor(request), repository=found, now=timezone.now())
    return answer_with(Success(success=True))


def unlike(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    likes.unlike(actor=actor(request), repository=repository(request, kind, repo_id))
    return answer_with(Success(success=True))


def likers(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    return newest_first(
        request,
        people.likers_of(found),
        lambda row: answers.Liker(
            user=row.user.name,
            fullname=row.user.namespace.full_name or row.user.name,
            avatar_url=avatar_url(request, row.user.name),
        ),
    )


def likes_of_user(request: HttpRequest, name: str) -> HttpResponse:
    return newest_first(
        request,
        people.likes_of(actor=actor(request), user=accounts.get_user(name)),
        lambda row: answers.Like(
            created_at=timestamp(row.created_at),
            repo=RepositoryName(name=row.repository.full_name, type=row.repository.kind),
        ),
    )


urlpatterns = [
    path("api/<plural:kind>/<repo_id:repo_id>/like", route(POST=like, DELETE=unlike)),
    path("api/<plural:kind>/<repo_id:repo_id>/likers", route(GET=likers)),
    path("api/users/<name:name>/likes", route(GET=likes_of_user)),
]
