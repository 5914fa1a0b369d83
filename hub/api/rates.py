"""Limits on the calls a minute that one caller may make of the hub's APIs."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

from foundation import rate_limits
from foundation.errors import RateLimited
from foundation.rate_limits import Limit
from hub.accounts.principals import Principal

WINDOW_S = 60


def require_rate(request: HttpRequest, caller: Principal) -> None:
    """Count this call for its user, or for the address of a caller without credentials.

    Raises: RateLimited with the seconds until the window ends.
    """
    address = rate_limits.limited_address(request)
    if address is None:
        return
    if caller.user_id is None:
        wait = Limit("api-address", settings.RATE_ANONYMOUS, WINDOW_S).take(address)
    else:
        wait = Limit("api-user", settings.RATE_USER, WINDOW_S).take(str(caller.user_id))
    if wait:
        raise RateLimited(retry_after_s=wait)
