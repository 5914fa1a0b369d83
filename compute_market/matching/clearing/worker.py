"""Draining a shard for as long as commands come, under one claim after the other."""

from __future__ import annotations

import os
import socket
import time
from datetime import datetime

from compute_market.matching import limits
from compute_market.matching.clearing import drain, shard_engines, wakeups
from foundation.clock import database_now

DRAIN_SECONDS = 30


def drain_shard(*, shard: int, now: datetime, listen_seconds: float = 0) -> int:
    """Drain a shard until nothing waits, or for as long as a task may take. Gives the commands drained.

    It listens for more for up to `listen_seconds`. It does nothing if another worker has the shard: that one
    reads the log once more after it has released the shard.
    """
    drained = 0
    stop_at = time.monotonic() + DRAIN_SECONDS
    listen_until = time.monotonic() + listen_seconds
    while drain.has_work(shard) and time.monotonic() < stop_at:
        held = drain.claim(shard=shard, holder=_worker_name())
        if held is None:
            break
        try:
            with wakeups.Listener(shard, until=listen_until) as listener:
                while time.monotonic() < stop_at:
                    count = drain.drain_batch(held, now=database_now())
                    drained += count
                    # After a full batch there may be more; otherwise the listener is woken.
                    if count < limits.batch_size() and not listener.wait():
                        break
        except drain.StaleEpoch:
            continue
        except BaseException:
            shard_engines.forget_all()
            raise
        finally:
            drain.release(held)
    if drained:
        drain.take_snapshot(shard=shard, now=now)
    return drained


def _worker_name() -> str:
    return f"{socket.gethostname()}/{os.getpid()}"[:64]
