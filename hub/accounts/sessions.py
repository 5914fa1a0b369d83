"""The signed-in user of the pages."""

from __future__ import annotations

from django.http import HttpRequest

from foundation import credentials
from hub.accounts.models import User
from hub.accounts.principals import ANONYMOUS, Principal


def actor_of(request: HttpRequest) -> Principal:
    """The signed-in person. Tokens do not open pages; CSRF is checked by Django's middleware before."""
    known: Principal | None = getattr(request, "principal", None)
    if known is None:
        user = credentials.of_session(request)
        known = Principal(user=user) if isinstance(user, User) else ANONYMOUS
        request.principal = known  # type: ignore[attr-defined]
    return known
