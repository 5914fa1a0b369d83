"""The SHA-256 of a large file, computed while its xorbs arrive (ADR 0219).

A SHA-256 can only be computed in order, and no request says which file a xorb belongs to before the shard
comes. But a client that uploads one large file sends its xorbs about in order. So the xorbs of an upload are
hashed in the order in which their requests began, each after it is stored. The state behind each xorb is kept
in Redis under a digest of the names of all xorbs so far. The shard says which xorbs a file consists of; if
they begin with a sequence whose state is known, only the rest is read back. A wrong guess costs time and
decides nothing: a state belongs to the names of xorbs, and those belong to their bytes.

Everything here expires. Without Redis, or after a process was killed, files are read back from the beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import redis
from blake3 import blake3
from django.conf import settings

from foundation.batches import batches
from foundation.redis_connection import connection, key
from hub import blobstore
from hub.xet import reconstruction
from hub.xet.codec import running_sha256, xorbs
from hub.xet.codec.hashes import to_text
from hub.xet.codec.running_sha256 import RunningSha256
from hub.xet.codec.shards import ShardFile
from hub.xet.errors import UnknownXorb, XorbDamaged
from hub.xet.layouts import Layouts
from hub.xet.reconstruction import Buffer, Run

# Files that fill a xorb at least; smaller ones are read back in a moment.
LARGE_BYTES = xorbs.RAW_MAX
KEPT_SECONDS = 3600
# A process that is killed while it hashes holds the others up for so long.
LOCK_SECONDS = 30
# One request hashes so many xorbs at most, of up to 64 MiB each: its client waits meanwhile.
AT_ONCE = 4
# So many names of xorbs are kept for a sender and a repository: a file of 500 GiB has 8,000. Names are noted
# before anything is checked, so a sender could otherwise fill Redis with them.
NAMES_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first `terms` terms of a file, of `size` bytes, have been hashed."""

    terms: int
    size: int
    state: bytes


class Arrivals:
    """The xorbs that somebody sends for a repository, in the order in which their requests began."""

    def __init__(self, user_id: int | None, repository_id: int) -> None:
        self._order, self._stored, self._reached, self._lock = (
            key("xet", "arrivals", user_id, repository_id, part)
            for part in ("order", "stored", "reached", "lock")
        )
        self._announced = _announced(repository_id)
        self._is_followed = False

    def begin(self, name: str) -> None:
        """Note that the request for a xorb has begun. Nothing unless one large file is announced."""
        if not settings.XET_HASH_AHEAD or not running_sha256.is_available():
            return
        with _unless_redis_is_lost():
            if connection().scard(self._announced) != 1:
                return
            if connection().lpos(self._order, name) is None:
                if connection().llen(self._order) >= NAMES_MAX:
                    return
                connection().rpush(self._order, name)
                connection().expire(self._order, KEPT_SECONDS)
            self._is_followed = True

    def stored(self, name: str) -> None:
        """Note that a xorb is stored, and hash what is next in order unless another request does it."""
        if not self._is_followed:
            return
        with _unless_redis_is_lost():
            connection().sadd(self._stored, name)
            connection().expire(self._stored, KEPT_SECONDS)
            for _ in range(2):
                # Twice, for what was stored between the last look and the end of the lock.
                with (
                    suppress(redis.exceptions.LockError),
                    connection().lock(self._lock, timeout=LOCK_SECONDS, blocking=False),
                ):
                    self._follow()

    def _follow(self) -> None:
        layouts, buffer = Layouts(), Buffer()
        for _ in range(AT_ONCE):
            count, *kept = connection().hmget(self._reached, "count", "names", "state")
            names, state = (value if isinstance(value, bytes) else None for value in kept)
            reached = int(count or 0)
            name = connection().lindex(self._order, reached)
            if not isinstance(name, bytes) or not connection().sismember(self._stored, name.decode()):
                return
            digest = RunningSha256(state)
            try:
                _hash_xorb(digest, name.decode(), layouts, buffer)
            except (XorbDamaged, UnknownXorb, blobstore.BlobMissing, blobstore.StoreUnreachable):
                # The shard's own verification finds the same, and says so to the client.
                return
            names, state = _names_and(names or b"", name), digest.state()
            with connection().pipeline() as pipe:
                pipe.hset(self._reached, mapping={"count": reached + 1, "names": names, "state": state})
                pipe.expire(self._reached, KEPT_SECONDS)
                pipe.set(_state_key(names), state, ex=KEPT_SECONDS)
                pipe.execute()

    def end(self) -> None:
        """Forget the order: the shard has come, and the next xorb begins another file."""
        with _unless_redis_is_lost():
            connection().delete(self._order, self._stored, self._reached, self._announced)


def announce(repository_id: int, sizes: Mapping[str, int]) -> None:
    """Note the files (path to size in bytes) that a client is about to upload.

    With several large files their xorbs arrive mixed, and to hash them in order of arrival would be in vain.
    """
    large = [
        blake3(path.encode(errors="replace")).digest() for path, size in sizes.items() if size >= LARGE_BYTES
    ]
    if not large or not settings.XET_HASH_AHEAD:
        return
    announced = _announced(repository_id)
    with _unless_redis_is_lost(), connection().pipeline() as pipe:
        # Two are as good as many. A client that begins anew announces the same path again.
        if connection().scard(announced) < 2:
            pipe.sadd(announced, *large[:2])
        pipe.expire(announced, KEPT_SECONDS)
        pipe.execute()


def beginning_of(file: ShardFile, layouts: Layouts) -> Beginning | None:
    """As much of a file as has been hashed already; None if nothing."""
    if file.size < LARGE_BYTES or not settings.XET_HASH_AHEAD or not running_sha256.is_available():
        return None
    found = None
    with _unless_redis_is_lost():
        for batch in batches(_whole_xorbs(file, layouts)):
            states = connection().mget([_state_key(names) for _, _, names in batch])
            for (terms, size, _), state in zip(batch, states, strict=True):
                if isinstance(state, bytes) and len(state) == running_sha256.STATE_BYTES:
                    found = Beginning(terms, size, state)
            if states[-1] is None:
                break
    return found


def _whole_xorbs(file: ShardFile, layouts: Layouts) -> Iterator[tuple[int, int, bytes]]:
    """For each term at a file's beginning that is a whole xorb: terms and bytes so far, digest of names."""
    names, size = b"", 0
    for count, term in enumerate(file.terms, 1):
        name = to_text(term.xorb)
        if term.first or term.end != len(layouts[name]):
            return
        names = _names_and(names, name.encode())
        size += term.raw_bytes
        yield count, size, names


def _hash_xorb(digest: RunningSha256, name: str, layouts: Layouts, buffer: Buffer) -> None:
    """Add the bytes of a xorb, read back from the store; each chunk is checked as it is for a shard."""
    run = Run(name, 0, len(layouts[name]))
    for piece in reconstruction.pieces_of_runs([run], layouts):
        for chunk in reconstruction.fetch(piece, buffer):
            digest.update(chunk)


def _names_and(names: bytes, name: bytes) -> bytes:
    """The digest of a sequence of names, from that of all but the last and the last."""
    return blake3(names + name).digest()


def _state_key(names: bytes) -> str:
    return key("xet", "sha256", names.hex())


def _announced(repository_id: int) -> str:
    return key("xet", "announced", repository_id)


@contextmanager
def _unless_redis_is_lost() -> Iterator[None]:
    """Without Redis nothing is hashed ahead; a client only waits longer."""
    with suppress(redis.RedisError):
        yield
