"""Users and organizations (docs/wire/huggingface.md#users-organizations-likes)."""

from __future__ import annotations

import hashlib

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.html import escape

from foundation.hex_digits import row_id
from hub.accounts import policies as accounts_policies
from hub.accounts import selectors as accounts
from hub.accounts.models import Membership, Namespace, Role, User
from hub.api.hf.account import avatar_url
from hub.api.hf.answers import people as answers
from hub.api.hf.http import actor, route
from hub.api.hf.paging import by_offset, newest_first
from hub.api.json import timestamp
from hub.api.structs import answer_with
from hub.community.selectors import people
from hub.community.services import people as services
from hub.repos import selectors as repos
from hub.repos.models import Kind, Repository
from hub.repos.quotas import storage_limit_bytes

AVATAR = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" '
    'fill="hsl({hue} 45% 45%)"/><text x="32" y="33" fill="#fff" font-family="sans-serif" font-size="34" '
    'text-anchor="middle" dominant-baseline="central">{letter}</text></svg>'
)


def _user(request: HttpRequest, user: User) -> answers.User:
    return answers.User(
        row_id=row_id(user.namespace_id),
        user=user.name,
        fullname=user.namespace.full_name or user.name,
        avatar_url=avatar_url(request, user.name),
    )


def _organization(request: HttpRequest, found: Namespace) -> answers.Organization:
    return answers.Organization(
        row_id=row_id(found.pk),
        name=found.name,
        fullname=found.full_name or found.name,
        avatar_url=avatar_url(request, found.name),
        is_verified=found.is_verified,
    )


def user_overview(request: HttpRequest, name: str) -> HttpResponse:
    user = accounts.get_user(name)
    found = people.overview_of(actor=actor(request), namespace=user.namespace)
    return answer_with(
        _user(request, user).widened(
            answers.UserOverview,
            details=user.namespace.details,
            created_at=timestamp(user.created_at),
            is_following=found.is_following,
            num_models=found.repositories[Kind.MODEL],
            num_datasets=found.repositories[Kind.DATASET],
            num_spaces=found.repositories[Kind.SPACE],
            num_kernels=found.repositories[Kind.KERNEL],
            num_discussions=found.discussions,
            num_upvotes=found.upvotes,
            num_likes=found.likes,
            num_following=found.following,
            num_followers=found.followers,
            orgs=[
                _organization(request, membership.organization)
                for membership in accounts.organizations_of(user)
            ],
        )
    )


def organization_overview(request: HttpRequest, name: str) -> HttpResponse:
    organization = accounts.get_organization(name)
    found = people.overview_of(actor=actor(request), namespace=organization)
    return answer_with(
        _organization(request, organization).widened(
            answers.OrganizationOverview,
            details=organization.details,
            is_following=found.is_following,
            num_users=found.members,
            num_models=found.repositories[Kind.MODEL],
            num_datasets=found.repositories[Kind.DATASET],
            num_spaces=found.repositories[Kind.SPACE],
            num_kernels=found.repositories[Kind.KERNEL],
            num_followers=found.followers,
        )
    )


def members(request: HttpRequest, name: str) -> HttpResponse:
    def row(membership: Membership) -> answers.Member:
        return _user(request, membership.user).widened(answers.Member, role=membership.role)

    return by_offset(request, accounts.members_of(accounts.get_organization(name)), row)


def followers_of_user(request: HttpRequest, name: str) -> HttpResponse:
    return _followers(request, accounts.get_user(name).namespace)


def followers_of_organization(request: HttpRequest, name: str) -> HttpResponse:
    return _followers(request, accounts.get_organization(name))


def _followers(request: HttpRequest, namespace: Namespace) -> HttpResponse:
    return newest_first(request, people.followers_of(namespace), lambda row: _user(request, row.user))


def following(request: HttpRequest, name: str) -> HttpResponse:
    """Users only, as the client parses them; organizations would not pass for users."""
    found = people.followed_by(accounts.get_user(name)).filter(namespace__kind=Namespace.Kind.USER)
    return newest_first(
        request,
        found.select_related("namespace__user"),
        lambda row: _user(request, row.namespace.user),
    )


def follow(request: HttpRequest, name: str, *, organization: bool = False) -> HttpResponse:
    return _set_follow(request, name, organization=organization, is_following=True)


def unfollow(request: HttpRequest, name: str, *, organization: bool = False) -> HttpResponse:
    return _set_follow(request, name, organization=organization, is_following=False)


def _set_follow(request: HttpRequest, name: str, *, organization: bool, is_following: bool) -> HttpResponse:
    target = accounts.get_organization(name) if organization else accounts.get_user(name).namespace
    services.set_follow(actor=actor(request), namespace=target, is_following=is_following, now=timezone.now())
    return answer_with(answers.Following(is_following=is_following))


def own_repositories(request: HttpRequest) -> HttpResponse:
    principal = actor(request)
    accounts_policies.require_signed_in(principal)
    assert principal.user is not None
    return _storage(request, principal.user.namespace)


def organization_repositories(request: HttpRequest, name: str) -> HttpResponse:
    organization = accounts.get_organization(name)
    accounts_policies.require_role(actor(request), organization, Role.READ)
    return _storage(request, organization)


def _storage(request: HttpRequest, namespace: Namespace) -> HttpResponse:
    limit = storage_limit_bytes(namespace)

    def row(found: Repository) -> answers.StoredRepository:
        return answers.StoredRepository(
            id=found.full_name,
            type=found.kind,
            updated_at=timestamp(found.updated_at),
            visibility=found.visibility,
            storage=found.size_bytes,
            storage_percent=round(found.size_bytes / limit, 4) if limit else 0,
        )

    rows = repos.repositories(actor=actor(request)).filter(namespace=namespace)
    return by_offset(request, rows.order_by("-size_bytes", "-id"), row)


def avatar(_request: HttpRequest, name: str) -> HttpResponse:
    """A letter on a colour: the same for the same name, whether it exists or not."""
    letter = escape(name[:1].upper())
    hue = int.from_bytes(hashlib.sha256(name.lower().encode()).digest()[:2], "big") % 360
    response = HttpResponse(AVATAR.format(letter=letter, hue=hue), content_type="image/svg+xml")
    response["Cache-Control"] = "public, max-age=86400"
    return response


urlpatterns = [
    path("avatars/<name:name>.svg", route(GET=avatar)),
    path("api/users/<name:name>/overview", route(GET=user_overview)),
    path("api/users/<name:name>/followers", route(GET=followers_of_user)),
    path("api/users/<name:name>/following", route(GET=following)),
    path("api/users/<name:name>/follow", route(POST=follow, DELETE=unfollow)),
    path("api/organizations/<name:name>/overview", route(GET=organization_overview)),
    path("api/organizations/<name:name>/members", route(GET=members)),
    path("api/organizations/<name:name>/followers", route(GET=followers_of_organization)),
    path(
        "api/organizations/<name:name>/follow",
        route(POST=follow, DELETE=unfollow),
        {"organization": True},
    ),
    path("api/settings/repositories", route(GET=own_repositories)),
    path("api/organizations/<name:name>/settings/repositories", route(GET=organization_repositories)),
]
