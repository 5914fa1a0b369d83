"""Who may see what state the service is in."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.http import HttpRequest

from foundation import callers


def may_watch(request: HttpRequest) -> bool:
    """Whether the caller may read metrics, and what is wrong with a dependency.

    That is a program on this machine, one that sends METRICS_TOKEN as its Bearer token, or an operator.
    """
    if callers.is_on_this_machine(request):
        return True
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if settings.METRICS_TOKEN and scheme.lower() == "bearer":
        return secrets.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())
    user = getattr(request, "user", None)
    return user is not None and user.is_active and user.is_staff
