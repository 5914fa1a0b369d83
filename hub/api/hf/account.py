"""The account of a token, and small calls of clients (docs/wire/huggingface.md#account-and-repositories)."""

from __future__ import annotations

from typing import Literal

from django.http import HttpRequest, HttpResponse
from django.urls import path

from foundation.bodies import READER_BYTES_MAX, allow
from hub import converters  # noqa: F401 - registers the converters
from hub.accounts import policies as accounts_policies
from hub.accounts import selectors as accounts
from hub.accounts.models import AccessToken, User
from hub.accounts.principals import Principal
from hub.api.hf import bodies
from hub.api.hf.answers import people as answers
from hub.api.hf.answers.repositories import MayDo
from hub.api.hf.http import actor, endpoint, repository, route
from hub.api.json import timestamp
from hub.api.structs import answer_with, body_of
from hub.repos import policies
from hub.revisions.facts import card


def avatar_url(request: HttpRequest, name: str) -> str:
    return f"{endpoint(request)}/avatars/{name}.svg"


def whoami(request: HttpRequest) -> HttpResponse:
    principal = actor(request)
    accounts_policies.require_signed_in(principal)
    user = principal.user
    assert user is not None
    return answer_with(
        answers.WhoAmI(
            type="user",
            id=str(user.namespace_id),
            name=user.name,
            fullname=user.namespace.full_name or user.name,
            email=user.email or None,
            email_verified=bool(user.email),
            is_pro=False,
            can_pay=False,
            period_end=None,
            avatar_url=avatar_url(request, user.name),
            orgs=_organizations(request, user),
            auth=_credentials(principal),
        )
    )


def _organizations(request: HttpRequest, user: User) -> list[answers.OwnOrganization]:
    return [
        answers.OwnOrganization(
            type="org",
            id=str(membership.organization_id),
            name=membership.organization.name,
            fullname=membership.organization.full_name or membership.organization.name,
            email=None,
            is_enterprise=False,
            can_pay=False,
            period_end=None,
            avatar_url=avatar_url(request, membership.organization.name),
            role_in_org=membership.role,
        )
        for membership in accounts.organizations_of(user)
    ]


def _credentials(principal: Principal) -> answers.Credentials:
    token = principal.token
    if token is None:
        return answers.Credentials(type="session")
    role: Literal["write", "read"] = "write" if AccessToken.Scope.WRITE in token.scopes else "read"
    return answers.Credentials(
        type="access_token",
        access_token=answers.AccessToken(
            display_name=token.name,
            role="fineGrained" if token.is_fine_grained else role,
            created_at=timestamp(token.created_at),
        ),
    )


def auth_check(request: HttpRequest, kind: str, repo_id: str, *, write: bool = False) -> HttpResponse:
    found = repository(request, kind, repo_id)
    if write:
        policies.require_write(actor(request), found)
    else:
        policies.require_content(actor(request), found)
    return answer_with(MayDo(ok=True))


def validate_yaml(request: HttpRequest) -> HttpResponse:
    """Always a JSON object with `errors` and `warnings`: the client parses it before the status."""
    # Clients check a card before they sign in.
    allow(request, READER_BYTES_MAX)
    body = body_of(request, bodies.Card, limit=5 * 1024 * 1024)
    errors, warnings = card.validate_card(body.content, body.repo_type)
    checked = answers.CardChecked(
        errors=[answers.Message(message=message) for message in errors],
        warnings=[answers.Message(message=message) for message in warnings],
    )
    return answer_with(checked, status=400 if errors else 200)


def telemetry(_request: HttpRequest, rest: str = "") -> HttpResponse:
    """Accept and discard: the hub collects no telemetry (docs/rules/house.md#privacy)."""
    return HttpResponse(status=204)


urlpatterns = [
    path("api/whoami-v2", route(GET=whoami)),
    path("api/<plural:kind>/<repo_id:repo_id>/auth-check", route(GET=auth_check)),
    path("api/<plural:kind>/<repo_id:repo_id>/auth-check/write", route(GET=auth_check), {"write": True}),
    path("api/validate-yaml", route(POST=validate_yaml)),
    path("api/telemetry/<rest:rest>", route(GET=telemetry)),
]
