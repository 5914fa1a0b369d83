"""The counters in Redis: the requesters of this hour, and the counts that are not in the tables yet.

`seen:{hour}` is a set of `repository:requester`, gone two hours later. `pending` is a hash of counts with the
id of its batch; taking it renames it to `batch:{id}`, where it stays until the tables have it. The id is
given when the hash begins, so a Redis that comes back from an older state gives the same batch again, under
the id by which it is known to be written.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import NamedTuple, cast

from redis.commands.core import Script

from foundation.redis_connection import connection, key

SEEN_SECONDS = 2 * 3600
ID = "id"

# One call and one moment: what is marked as seen is also counted. ARGV goes on with threes: repository and
# requester, day and repository, how many requests.
RECORD = """
redis.call('HSETNX', KEYS[2], 'id', ARGV[1])
for at = 3, #ARGV, 3 do
  redis.call('HINCRBY', KEYS[2], ARGV[at + 1] .. ':r', ARGV[at + 2])
  if redis.call('SADD', KEYS[1], ARGV[at]) == 1 then
    redis.call('HINCRBY', KEYS[2], ARGV[at + 1] .. ':d', 1)
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
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


class Hour(NamedTuple):
    """The keys that a fetch is counted under: an hour's set, and the hash of what is pending."""

    seen: str
    pending: str


class Fetch(NamedTuple):
    """The key of a requester and a repository: a member of the set, and the prefix of its counts
    in the hash.
    """

    member: str
    field: str


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


def _pending() -> str:
    return key("downloads", "pending")


def _taken() -> str:
    return key("downloads", "batches")


def _batch(batch_key: str) -> str:
    return key("downloads", "batch", batch_key)


def hour_of(now: datetime) -> Hour:
    return Hour(key("downloads", "seen", int(now.timestamp()) // 3600), _pending())


def fetch_of(*, repository_id: int, requester: str, now: datetime) -> Fetch:
    day = now.astimezone(UTC).date().isoformat()
    return Fetch(f"{repository_id}:{requester}", f"{day}:{repository_id}")


def add(hour: Hour, requests: Mapping[Fetch, int]) -> None:
    """Count so many requests of each kind, all or none. The first of a member within the hour is a download.

    Raises: redis.RedisError.
    """
    counted = [part for fetch, number in requests.items() for part in (*fetch, number)]
    _script(RECORD)(client=connection(), keys=hour, args=[uuid.uuid4().hex, SEEN_SECONDS, *counted])


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
