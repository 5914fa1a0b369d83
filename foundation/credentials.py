"""The credentials of a request: the Authorization header, a cookie, the session of the pages.

This module only reads them: it knows no users and checks no permissions. Each house maps them to a principal.
"""

from __future__ import annotations

import base64
import binascii
from enum import StrEnum
from typing import NamedTuple, cast

from django.contrib.auth import get_user
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

NO_PASSWORD = "x-oauth-basic"  # noqa: S105 - what some git credential helpers send as the password
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Scheme(StrEnum):
    BEARER = "bearer"
    # The scheme that some clients send instead of Bearer.
    TOKEN = "token"  # noqa: S105 - a scheme's name
    BASIC = "basic"


class Authorization(NamedTuple):
    """A caller's token, and the scheme by which it came. The token is not empty, and not checked yet."""

    scheme: Scheme
    token: str


class MalformedAuthorization(ValueError):
    """The Authorization header has another scheme, no token, or Basic credentials that are none."""


def of_header(request: HttpRequest) -> Authorization | None:
    """The token in the Authorization header; None without the header.

    Raises: MalformedAuthorization.
    """
    word, _, value = request.headers.get("Authorization", "").strip().partition(" ")
    if not word:
        return None
    try:
        scheme = Scheme(word.lower())
    except ValueError:
        raise MalformedAuthorization from None
    value = value.strip()
    token = _of_basic(value) if scheme is Scheme.BASIC else value
    if not token:
        raise MalformedAuthorization
    return Authorization(scheme, token)


def bearer_token(request: HttpRequest) -> str | None:
    """The token that came as Bearer; None where it came otherwise, is malformed, or is missing."""
    try:
        found = of_header(request)
    except MalformedAuthorization:
        return None
    return found.token if found is not None and found.scheme is Scheme.BEARER else None


def _of_basic(value: str) -> str:
    """The token in Basic credentials: the password, or the name where a helper puts it there.

    Raises: MalformedAuthorization.
    """
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise MalformedAuthorization from None
    return password if password and password != NO_PASSWORD else name


def of_cookie(request: HttpRequest, name: str) -> str | None:
    """The token in a cookie; None without one."""
    return request.COOKIES.get(name) or None


def of_session(request: HttpRequest) -> AbstractBaseUser | None:
    """The user who is signed in on the pages. Read once for a request, and None without a session."""
    user = getattr(request, "user", None)
    return user if user is not None and user.is_authenticated else None


def of_session_now(request: HttpRequest) -> AbstractBaseUser | None:
    """The same, read from the database at each call: for streams, which may outlive a session."""
    user = get_user(request)
    return cast(AbstractBaseUser, user) if user.is_authenticated else None


def csrf_problem(request: HttpRequest) -> str:
    """The reason that a request's session does not permit changes; empty if it does.

    It needs Django's CSRF token, unless its method is safe or a middleware has checked it already.
    """
    if request.method in SAFE_METHODS or getattr(request, "csrf_processing_done", False):
        return ""
    check = _Csrf(lambda _: HttpResponse())
    check.process_request(request)
    return str(check.process_view(request, lambda _: HttpResponse(), (), {}) or "")


class _Csrf(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason
