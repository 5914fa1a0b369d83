"""Who is calling: the one place where doors read credentials."""

from __future__ import annotations

import base64
import binascii

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import timezone

from foundation import bodies
from foundation.errors import Denied
from hub.accounts import selectors
from hub.accounts.errors import InvalidToken
from hub.accounts.principals import ANONYMOUS, Principal

NO_PASSWORD = "x-oauth-basic"  # noqa: S105 - what such helpers send in its place
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def principal_of(request: HttpRequest, *, cookie: str | None = None) -> Principal:
    """The caller, by Bearer token, Basic password (git: any name, the token as password) or session.

    `cookie` names a cookie whose value is a token (ModelScope's clients). A session counts for a
    changing request only with Django's CSRF token. Kept on the request: reads happen once. A caller
    who is known may send a long body.
    Raises: InvalidToken, Denied.
    """
    known: Principal | None = getattr(request, "principal", None)
    if known is not None:
        return known
    principal = _read(request, cookie)
    if not principal.is_anonymous:
        bodies.allow_known(request)
    request.principal = principal  # type: ignore[attr-defined]
    return principal


def _read(request: HttpRequest, cookie: str | None) -> Principal:
    secret = bearer_secret(request)
    if secret is None and cookie:
        secret = request.COOKIES.get(cookie) or None
        if secret is not None and request.method not in SAFE_METHODS:
            _require_no_form(request)
    if secret is not None:
        return selectors.principal_for_token(secret, now=timezone.now())
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return ANONYMOUS
    if request.method not in SAFE_METHODS and not getattr(request, "csrf_processing_done", False):
        _require_csrf(request)
    return Principal(user=user)


def _require_no_form(request: HttpRequest) -> None:
    """A browser sends cookies along with forms of other sites: then only JSON counts, which no form can be.

    Programs send neither header, and may send files as a form. Raises: Denied.
    """
    is_browser = "Origin" in request.headers or "Sec-Fetch-Site" in request.headers
    if is_browser and request.content_type != "application/json":
        raise Denied(reason="A call by cookie must have the content type application/json.")


def bearer_secret(request: HttpRequest) -> str | None:
    """The token text in the Authorization header, or None without one. Raises: InvalidToken."""
    scheme, _, value = request.headers.get("Authorization", "").strip().partition(" ")
    value = value.strip()
    if not scheme:
        return None
    if scheme.lower() in {"bearer", "token"}:
        if not value:
            raise InvalidToken
        return value
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise InvalidToken from None
        # Some git credential helpers put the token in the name's place.
        secret = password if password and password != NO_PASSWORD else name
        if not secret:
            raise InvalidToken
        return secret
    raise InvalidToken


class _Csrf(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason


def _require_csrf(request: HttpRequest) -> None:
    check = _Csrf(lambda _: HttpResponse())
    check.process_request(request)
    reason = check.process_view(request, lambda _: HttpResponse(), (), {})
    if reason:
        raise Denied(reason=f"CSRF check failed: {reason}")
