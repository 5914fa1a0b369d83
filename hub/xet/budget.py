"""Limits on the cost of verifying shards: a short shard can describe a file of any length (ADR 0145).

A shard lists runs of chunks, and the same run may be listed many times. The cost is known before a byte is
read: the bytes of its new files, repeated ones four times, and its chunks. A user may spend
`XET_VERIFY_BYTES_PER_HOUR`. Long verifications take turns: at once, one of a user and two of a web process.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import redis
from django.conf import settings

from foundation.redis_connection import connection, key
from hub.accounts.principals import Principal
from hub.xet.codec.hashes import to_text
from hub.xet.codec.shards import Shard, ShardFile
from hub.xet.errors import InvalidShard, VerificationBudgetSpent, VerificationBusy
from hub.xet.layouts import Layouts

log = logging.getLogger(__name__)

AT_ONCE = 2
WAITING_MAX = 4
WAIT_SECONDS = 300.0
# Cheaper verifications, which take some seconds at most, do not wait for a turn.
SHORT_PRICE = 1 << 30
# A repeated byte costs so many times what the first one does.
REPEATED_COSTS = 4
# The cost of one chunk, in bytes that could be hashed in the same time.
CHUNK_COSTS = 2_000
# Clients cut files into chunks of at least 8 KiB, but for a file's last one.
CHUNK_BYTES_MIN = 8 * 1024
CHUNKS_FREE = 100_000
HOUR = 3600


def require_plausible(shard: Shard) -> None:
    """Refuse a shard with more chunks than its bytes can have: each one is looked at. Raises InvalidShard."""
    chunks = sum(file.terms.chunks for file in shard.files)
    size = sum(file.size for file in shard.files)
    if chunks > 2 * size // CHUNK_BYTES_MIN + 8 * len(shard.files) + CHUNKS_FREE:
        raise InvalidShard(reason=f"Its files have {chunks} chunks, too many for {size} bytes.")


def price_of(files: Sequence[ShardFile], layouts: Layouts) -> int:
    """The cost of verifying these files, in bytes. Raises UnknownXorb."""
    size = sum(file.size for file in files)
    chunks = sum(file.terms.chunks for file in files)
    names = {name for file in files for name in file.terms.xorbs()}
    distinct = sum(layouts[to_text(name)].raw_bytes for name in names)
    repeated = max(0, size - distinct)
    return size + (REPEATED_COSTS - 1) * repeated + CHUNK_COSTS * chunks


class Turns:
    """The long verifications of this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: set[int] = set()
        self._waiting = 0

    @contextmanager
    def turn(self, user_id: int) -> Iterator[Turn]:
        """Wait for a turn inside, by `Turn.begin`. Raises VerificationBusy when too many wait."""
        with self._changed:
            if self._waiting >= WAITING_MAX:
                raise VerificationBusy
            self._waiting += 1
        turn = Turn(self, user_id)
        try:
            yield turn
        finally:
            with self._changed:
                self._waiting -= not turn.has_begun
                if turn.has_begun:
                    self._running.discard(user_id)
                self._changed.notify_all()

    def _begin(self, user_id: int, seconds: float) -> bool:
        def is_free() -> bool:
            return user_id not in self._running and len(self._running) < AT_ONCE

        with self._changed:
            if not self._changed.wait_for(is_free, seconds):
                return False
            self._running.add(user_id)
            self._waiting -= 1
            return True


class Turn:
    """One caller's turn, waited for or begun."""

    def __init__(self, turns: Turns, user_id: int) -> None:
        self._turns, self._user_id = turns, user_id
        self._waited = 0.0
        self.has_begun = False

    def begin(self, seconds: float) -> bool:
        """True if the turn came within so many seconds. Raises VerificationBusy after five minutes."""
        if not self.has_begun:
            self.has_begun = self._turns._begin(self._user_id, seconds)  # noqa: SLF001 - its other half
            self._waited += seconds
            if not self.has_begun and self._waited >= WAIT_SECONDS:
                raise VerificationBusy
        return self.has_begun


turns = Turns()


def spend(actor: Principal, price: int, *, now: datetime) -> None:
    """Pay for a verification from the user's budget of this hour. Raises VerificationBudgetSpent."""
    _pay(actor.user_id or 0, price, now)


def _pay(user_id: int, price: int, now: datetime) -> None:
    limit = settings.XET_VERIFY_BYTES_PER_HOUR
    name = key("xet", "verified", user_id, int(now.timestamp()) // HOUR)
    try:
        spent = int(connection().incrby(name, price))
        connection().expire(name, 2 * HOUR)
    except redis.RedisError as error:
        log.warning("xet_budget_not_counted user=%s error=%s", user_id, error)
        return
    # The first of an hour is always let through: it may be one very large file.
    if spent > limit and spent != price:
        raise VerificationBudgetSpent(limit=limit)
