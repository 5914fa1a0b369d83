"""Authentication of API requests: the principal of the request's credentials, for all dialects."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils import timezone

from foundation import bodies, credentials
from foundation.errors import Denied
from hub.accounts import selectors
from hub.accounts.errors import InvalidToken
from hub.accounts.models import User
from hub.accounts.principals import ANONYMOUS, Principal


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
    token = _token(request, cookie)
    if token is not None:
        return selectors.principal_for_token(token, now=timezone.now())
    user = credentials.of_session(request)
    if not isinstance(user, User):
        return ANONYMOUS
    if problem := credentials.csrf_problem(request):
        raise Denied(reason=f"CSRF check failed: {problem}")
    return Principal(user=user)


def _token(request: HttpRequest, cookie: str | None) -> str | None:
    """The token of the header, else of the cookie. Raises: InvalidToken, Denied."""
    try:
        header = credentials.of_header(request)
    except credentials.MalformedAuthorization:
        raise InvalidToken from None
    if header is not None:
        return header.token
    token = credentials.of_cookie(request, cookie) if cookie else None
    if token is not None and request.method not in credentials.SAFE_METHODS:
        _require_no_form(request)
    return token


def _require_no_form(request: HttpRequest) -> None:
    """A browser sends cookies along with forms of other sites: then only JSON counts, which no form can be.

    Programs send neither header, and may send files as a form. Raises: Denied.
    """
    is_browser = "Origin" in request.headers or "Sec-Fetch-Site" in request.headers
    if is_browser and request.content_type != "application/json":
        raise Denied(reason="A call by cookie must have the content type application/json.")
