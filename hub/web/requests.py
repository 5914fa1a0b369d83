"""Requests of the hub's pages: besides what all pages do, sign-in, staff and addresses."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from foundation.errors import Unauthenticated
from foundation.pages import page, submit
from hub.accounts.models import User
from hub.accounts.sessions import actor_of

__all__ = [
    "actor_of",
    "local_address",
    "page",
    "require_staff",
    "signed_in",
    "submit",
]


def signed_in(request: HttpRequest) -> User:
    """Raises: Unauthenticated, which the site answers with the way to sign in."""
    user = actor_of(request).user
    if user is None:
        raise Unauthenticated
    return user


def local_address(request: HttpRequest, address: str | None, default: str = "/") -> str:
    """The address if it lies on this host, else the default: no sign-in leads away."""
    if address and url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return address
    return default


def require_staff(request: HttpRequest) -> None:
    if not signed_in(request).is_staff:
        raise PermissionDenied
