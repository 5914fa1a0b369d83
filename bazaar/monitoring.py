"""Permission to see the state of the service."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.http import HttpRequest

from foundation import callers, credentials


def may_watch(request: HttpRequest) -> bool:
    """True if the caller may read metrics and details of failed dependencies.

    That is a program on this machine, one that sends METRICS_TOKEN as its Bearer token, or an operator.
    """
    if callers.is_on_this_machine(request):
        return True
    token = credentials.bearer_token(request)
    if settings.METRICS_TOKEN and token is not None:
        return secrets.compare_digest(token.encode(), settings.METRICS_TOKEN.encode())
    user = credentials.of_session(request)
    return user is not None and user.is_active and bool(getattr(user, "is_staff", False))
