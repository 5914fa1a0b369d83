"""Signing in (docs/wire/modelscope.md#calls)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from hub.accounts import policies, selectors
from hub.api.modelscope import answers, bodies
from hub.api.modelscope.http import MOUNT, SESSION_COOKIE, actor, legacy, open_route, opened, route
from hub.api.structs import body_of

COOKIE_SECONDS = 30 * 24 * 3600


def login(request: HttpRequest) -> HttpResponse:
    """The cookie of this answer is what every later call sends as its token."""
    secret = body_of(request, bodies.Login).access_token
    principal = selectors.principal_for_token(secret, now=timezone.now())
    assert principal.user is not None
    account = answers.Account(access_token=secret, username=principal.user.name, email=principal.user.email)
    response = legacy(account)
    response.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=COOKIE_SECONDS,
        path=MOUNT,
        secure=request.is_secure(),
        httponly=True,
        samesite="Strict",
    )
    return response


def me(request: HttpRequest) -> HttpResponse:
    principal = actor(request)
    policies.require_signed_in(principal)
    assert principal.user is not None
    return opened(
        answers.Me(
            id=principal.user.pk,
            username=principal.user.name,
            email=principal.user.email,
            description=principal.user.namespace.details,
        )
    )


urlpatterns = [
    path("api/v1/login", route(POST=login)),
    path("openapi/v1/users/me", open_route(GET=me)),
]
