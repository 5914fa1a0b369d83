"""Slows down guessing of passwords, by name and by address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.accounts.errors import TooManySignIns
from hub.accounts.models import name_key
from hub.redis_connection import connection, key

WINDOW_S = 15 * 60
FAILURES_PER_NAME = 10
FAILURES_PER_ADDRESS = 50


@dataclass(frozen=True, slots=True)
class SignInThrottle:
    """Counts failed sign-ins in fixed windows of 15 minutes."""

    name: str
    address: str

    def _keys(self, now: datetime) -> list[tuple[str, int]]:
        window = int(now.timestamp()) // WINDOW_S
        return [
            (key("sign-in", window, "name", name_key(self.name)[:96]), FAILURES_PER_NAME),
            (key("sign-in", window, "address", self.address), FAILURES_PER_ADDRESS),
        ]

    def require_allowed(self, *, now: datetime) -> None:
        """Raises: TooManySignIns with the seconds until the window ends."""
        keys = self._keys(now)
        counts = connection().mget([name for name, _ in keys])
        if any(int(count or 0) >= limit for count, (_, limit) in zip(counts, keys, strict=True)):
            raise TooManySignIns(retry_after_s=WINDOW_S - int(now.timestamp()) % WINDOW_S)

    def record_failure(self, *, now: datetime) -> None:
        pipe = connection().pipeline()
        for name, _ in self._keys(now):
            pipe.incr(name)
            pipe.expire(name, WINDOW_S)
        pipe.execute()

    def forget(self, *, now: datetime) -> None:
        """A right password clears the name's failures; the address keeps its count."""
        connection().delete(self._keys(now)[0][0])
