"""Counts of downloads that this process has not sent to Redis yet.

A call of Redis for each file would take a third of the time of serving a small file. So requests are added up
here, and a thread sends the sums some twenty times a second. The counts of a killed process are lost; while
Redis is away, counts are kept and sent later.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from datetime import datetime

import redis
from prometheus_client import Counter

from hub.downloads import counters
from hub.downloads.counters import Fetch, Hour

log = logging.getLogger(__name__)
REQUESTS = Counter("bazaar_download_requests", "Requests for files that were counted as downloads.")

LINGER_SECONDS = 0.05
RETRY_SECONDS = 1.0
# So many different requesters can fetch before the process forgets some because Redis stays away.
FETCHES_MAX = 100_000
# Redis does nothing else while it counts; this many take it a few milliseconds.
FETCHES_AT_ONCE = 1_000


class Buffer:
    """Counts of requests, by hour. Safe to use from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._waiting: dict[Hour, dict[Fetch, int]] = {}
        self._size = 0
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, *, repository_id: int, requester: str, now: datetime) -> None:
        """Count one request. Redis hears of it within a moment."""
        hour = counters.hour_of(now)
        fetch = counters.fetch_of(repository_id=repository_id, requester=requester, now=now)
        self._put(hour, {fetch: 1})
        if self._thread is None or not self._thread.is_alive():
            self._start()
        # Setting the event takes a lock and wakes the waiting thread. If it is set already, the thread will
        # clear it, and then also sends what was added before.
        if not self._woken.is_set():
            self._woken.set()

    def send(self) -> None:
        """Send all counts to Redis now. Raises: redis.RedisError; then counts that were not sent are kept.

        If the connection breaks before Redis answers, requests may be counted twice; downloads cannot.
        """
        with self._sending:
            while taken := self._take():
                hour, requests = taken
                try:
                    counters.add(hour, requests)
                except Exception:
                    self._put(hour, requests)
                    raise
                REQUESTS.inc(sum(requests.values()))

    def _put(self, hour: Hour, requests: dict[Fetch, int]) -> None:
        dropped = 0
        with self._lock:
            waiting = self._waiting.setdefault(hour, {})
            for fetch, number in requests.items():
                if fetch not in waiting:
                    if self._size >= FETCHES_MAX:
                        dropped += number
                        continue
                    self._size += 1
                    waiting[fetch] = 0
                waiting[fetch] += number
        if dropped:
            log.warning("downloads_dropped requests=%s reason=redis_unavailable", dropped)

    def _take(self) -> tuple[Hour, dict[Fetch, int]] | None:
        with self._lock:
            if not self._waiting:
                return None
            hour, waiting = next(iter(self._waiting.items()))
            if len(waiting) <= FETCHES_AT_ONCE:
                taken = self._waiting.pop(hour)
            else:
                taken = {fetch: waiting.pop(fetch) for fetch in list(waiting)[:FETCHES_AT_ONCE]}
            self._size -= len(taken)
            return hour, taken

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="downloads", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        is_away = False
        while True:
            self._woken.wait()
            time.sleep(RETRY_SECONDS if is_away else LINGER_SECONDS)
            self._woken.clear()
            try:
                self.send()
                is_away = False
            except redis.RedisError as error:
                if not is_away:
                    log.warning("downloads_delayed error=%s", error)
                is_away = True
                self._woken.set()


_buffer = Buffer()


def add(*, repository_id: int, requester: str, now: datetime) -> None:
    """Count one request for content. One requester counts as one download of a repository an hour.

    Content is served whether or not Redis is there; what is served while it is away is counted later.
    """
    _buffer.add(repository_id=repository_id, requester=requester, now=now)


def send() -> None:
    """Tell Redis what this process knows. Raises: redis.RedisError; then nothing is forgotten."""
    _buffer.send()


def _begin_anew() -> None:
    """A forked process has no thread, and its parent tells what the parent has served."""
    global _buffer  # noqa: PLW0603 - one a process
    _buffer = Buffer()


def send_last() -> None:
    """Send the rest before the process ends."""
    try:
        send()
    except redis.RedisError as error:
        log.warning("downloads_lost_at_exit error=%s", error)


os.register_at_fork(after_in_child=_begin_anew)
