"""The counters in Redis: who has fetched what this hour, and what is not in the tables yet.

`seen:{hour}` is a set of `repository:requester`, gone two hours later. `pending` is a hash of counts with
the id of its batch; taking it renames it to `batch:{id}`, where it stays until the tables have it. The id is
given when the hash begins, so a Redis that comes back from an older state gives the same batch again, under
the id by which it is known to be written.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import cast

from redis.commands.core import Script

from hub.redis_connection import connection, key

SEEN_SECONDS = 2 * 3600
ID = "id"

# One call and one moment: what is marked as seen is also counted. Returns 1 for a new download.
RECORD = """
local new = redis.call('SADD', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('HSETNX', KEYS[2], 'id', ARGV[3])
redis.call('HINCRBY', KEYS[2], ARGV[2] .. ':r', 1)
if new == 1 then
  redis.call('HINCRBY', KEYS[2], ARGV[2] .. ':d', 1)
end
return new
"""
TAKE = """
local id = redis.call('HGET', KEYS[1], 'id')
if not id then
  return nil
end
redis.call('RENAME', KEYS[1], ARGV[1] .. id)
redis.call('SADD', KEYS[2], id)
return id
"""


@dataclass(frozen=True, slots=True)
class Count:
    repository_id: int
    day: date
    downloads: int
    requests: int


@dataclass(frozen=True, slots=True)
class Batch:
    key: str
    counts: list[Count]


@cache
def _script(text: str) -> Script:
    """Known to Redis by its hash after the first call; sent again when Redis has forgotten it."""
    return Script(connection(), text)


def _seen(now: datetime) -> str:
    return key("downloads", "seen", int(now.timestamp()) // 3600)


def _pending() -> str:
    return key("downloads", "pending")


def _taken() -> str:
    return key("downloads", "batches")


def _batch(batch_key: str) -> str:
    return key("downloads", "batch", batch_key)


def add(*, repository_id: int, requester: str, now: datetime) -> bool:
    """Count one request; whether it was this requester's first for the repository within the hour.

    Raises: redis.RedisError.
    """
    day = now.astimezone(UTC).date().isoformat()
    new = _script(RECORD)(
        client=connection(),
        keys=[_seen(now), _pending()],
        args=[f"{repository_id}:{requester}", f"{day}:{repository_id}", uuid.uuid4().hex, SEEN_SECONDS],
    )
    return bool(new)


def take() -> None:
    """Close the pending counts into a batch; nothing pending is fine."""
    _script(TAKE)(client=connection(), keys=[_pending(), _taken()], args=[_batch("")])


def batches() -> Iterator[Batch]:
    """The batches that were taken and not yet forgotten."""
    for member in sorted(cast(set[bytes], connection().smembers(_taken()))):
        batch_key = member.decode()
        fields = cast(dict[bytes, bytes], connection().hgetall(_batch(batch_key)))
        yield Batch(batch_key, _counts(fields))


def _counts(fields: dict[bytes, bytes]) -> list[Count]:
    found: dict[tuple[int, date], list[int]] = {}
    for name, number in fields.items():
        if name == ID.encode():
            continue
        day, repository_id, what = name.decode().split(":")
        place = found.setdefault((int(repository_id), date.fromisoformat(day)), [0, 0])
        place[0 if what == "d" else 1] += int(number)
    return [Count(pk, day, *numbers) for (pk, day), numbers in sorted(found.items())]


def forget(batch_key: str) -> None:
    """The tables have this batch."""
    pipe = connection().pipeline(transaction=True)
    pipe.delete(_batch(batch_key))
    pipe.srem(_taken(), batch_key)
    pipe.execute()
