"""What every page of the hub does with a request: who asks, run a form's use case, render, page through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme

from hub.accounts.models import User
from hub.accounts.principals import ANONYMOUS, Principal
from hub.errors import Refusal, Unauthenticated

T = TypeVar("T")


def actor_of(request: HttpRequest) -> Principal:
    """The signed-in person. Tokens do not open pages; CSRF is checked by Django's middleware before."""
    known: Principal | None = getattr(request, "principal", None)
    if known is None:
        user = request.user
        known = Principal(user=user) if isinstance(user, User) else ANONYMOUS
        request.principal = known  # type: ignore[attr-defined]
    return known


def signed_in(request: HttpRequest) -> User:
    """Raises: Unauthenticated, which the site answers with the way to sign in."""
    user = actor_of(request).user
    if user is None:
        raise Unauthenticated
    return user


def submit(request: HttpRequest, form: BaseForm, use_case: Callable[[dict[str, Any]], T]) -> T | None:
    """Run the use case with the form's cleaned data; what it refuses becomes the form's error.

    Gives None when the request is no submission, the form is invalid, or the use case refused.
    """
    if request.method != "POST" or not form.is_valid():
        return None
    try:
        return use_case(form.cleaned_data)
    except Unauthenticated as refusal:
        if type(refusal) is Unauthenticated:
            raise
        form.add_error(None, str(refusal))
    except Refusal as refusal:
        form.add_error(None, str(refusal))
    return None


def page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    *,
    fragment: str = "",
    form: BaseForm | None = None,
) -> HttpResponse:
    """Render a page, or the named fragment of it when htmx asks for one. 422 when the form has errors."""
    is_htmx = bool(getattr(request, "htmx", False)) and not request.htmx.boosted  # type: ignore[attr-defined]
    name = f"{template}#{fragment}" if fragment and is_htmx else template
    status = 422 if form is not None and form.is_bound and form.errors else 200
    response = render(request, name, context, status=status)
    if fragment:
        response.headers["Vary"] = ", ".join(filter(None, [response.headers.get("Vary"), "HX-Request"]))
    return response


def local_address(request: HttpRequest, address: str | None, default: str = "/") -> str:
    """The address if it lies on this host, else the default: no sign-in leads away."""
    if address and url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return address
    return default


def client_address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))


def require_staff(request: HttpRequest) -> None:
    if not signed_in(request).is_staff:
        raise PermissionDenied
