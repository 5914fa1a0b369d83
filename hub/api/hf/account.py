"""The account of a token, and small calls of clients (docs/wire/huggingface.md#account-and-repositories)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path

from foundation.bodies import READER_BYTES_MAX, allow
from hub import converters  # noqa: F401 - registers the converters
from hub.accounts import policies as accounts_policies
from hub.accounts import selectors as accounts
from hub.accounts.models import AccessToken, User
from hub.accounts.principals import Principal
from hub.api.hf import bodies
from hub.api.hf.http import actor, endpoint, repository, route
from hub.api.json import json_response, timestamp
from hub.api.structs import body_of
from hub.repos import policies
from hub.revisions.facts import card


def avatar_url(request: HttpRequest, name: str) -> str:
    return f"{endpoint(request)}/avatars/{name}.svg"


def whoami(request: HttpRequest) -> HttpResponse:
    principal = actor(request)
    accounts_policies.require_signed_in(principal)
    user = principal.user
    assert user is not None
    return json_response(
        {
            "type": "user",
            "id": str(user.namespace_id),
            "name": user.name,
            "fullname": user.namespace.full_name or user.name,
            "email": user.email or None,
            "emailVerified": bool(user.email),
            "isPro": False,
            "canPay": False,
            "periodEnd": None,
            "avatarUrl": avatar_url(request, user.name),
            "orgs": _organizations(request, user),
            "auth": _credentials(principal),
        }
    )


def _organizations(request: HttpRequest, user: User) -> list[dict[str, Any]]:
    return [
        {
            "type": "org",
            "id": str(membership.organization_id),
            "name": membership.organization.name,
            "fullname": membership.organization.full_name or membership.organization.name,
            "email": None,
            "isEnterprise": False,
            "canPay": False,
            "periodEnd": None,
            "avatarUrl": avatar_url(request, membership.organization.name),
            "roleInOrg": membership.role,
        }
        for membership in accounts.organizations_of(user)
    ]


def _credentials(principal: Principal) -> dict[str, Any]:
    token = principal.token
    if token is None:
        return {"type": "session"}
    role = "write" if AccessToken.Scope.WRITE in token.scopes else "read"
    return {
        "type": "access_token",
        "accessToken": {
            "displayName": token.name,
            "role": "fineGrained" if token.is_fine_grained else role,
            "createdAt": timestamp(token.created_at),
        },
    }


def auth_check(request: HttpRequest, kind: str, repo_id: str, *, write: bool = False) -> HttpResponse:
    found = repository(request, kind, repo_id)
    if write:
        policies.require_write(actor(request), found)
    else:
        policies.require_content(actor(request), found)
    return json_response({"ok": True})


def validate_yaml(request: HttpRequest) -> HttpResponse:
    """Always a JSON object with `errors` and `warnings`: the client parses it before the status."""
    # Clients check a card before they sign in.
    allow(request, READER_BYTES_MAX)
    body = body_of(request, bodies.Card, limit=5 * 1024 * 1024)
    errors, warnings = card.validate_card(body.content, body.repo_type)
    return json_response(
        {
            "errors": [{"message": message} for message in errors],
            "warnings": [{"message": message} for message in warnings],
        },
        status=400 if errors else 200,
    )


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
