"""Slows down guessing of passwords, and making accounts.

A failed sign-in counts for the address it came from, and for the name at that address. It never counts for
the name alone: otherwise a stranger could lock a user out by wrong guesses.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from foundation.callers import network_of
from foundation.rate_limits import Limit
from hub.accounts.errors import TooManySignIns
from hub.accounts.models import name_key

WINDOW_S = 15 * 60
FAILURES_PER_NAME = Limit("sign-in-name", 10, WINDOW_S)
FAILURES_PER_ADDRESS = Limit("sign-in-address", 50, WINDOW_S)


@dataclass(frozen=True, slots=True)
class SignInThrottle:
    """Counts failed sign-ins in windows of 15 minutes."""

    name: str
    address: str

    def require_allowed(self) -> None:
        """Raises: TooManySignIns with the seconds until the window ends."""
        wait = max(limit.seconds_to_wait(*caller) for limit, caller in self._counts())
        if wait:
            raise TooManySignIns(retry_after_s=wait)

    def record_failure(self) -> None:
        for limit, caller in self._counts():
            limit.take(*caller)

    def forget(self) -> None:
        """A right password clears the failures of the name at this address; the address keeps its count."""
        limit, caller = self._counts()[0]
        limit.forget(*caller)

    def _counts(self) -> tuple[tuple[Limit, tuple[str, ...]], ...]:
        network = network_of(self.address)
        return (
            (FAILURES_PER_NAME, (network, name_key(self.name)[:96])),
            (FAILURES_PER_ADDRESS, (network,)),
        )


def sign_ups() -> Limit:
    """New accounts an hour from one address."""
    return Limit("sign-up", settings.SIGN_UPS_PER_HOUR, 3600)
