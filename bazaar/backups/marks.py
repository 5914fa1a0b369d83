"""Marks at the place of backups: content is removed only while no backup is made.

A backup that is being made uses content of the newest one, and writes segments that no manifest names yet.
Each side places its mark first and looks for the other's then, so at least one of two that begin together
sees the other. A killed process leaves its mark behind; both sides recognize one that is not renewed.

    marks/create-ID    renewed at least every five minutes while content is stored
    marks/prune-ID     renewed every RENEWED_SECONDS while content is removed
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count

from bazaar.backups.errors import BackupFailed
from hub.blobstore import Blob, BlobStore

CREATE, PRUNE = "marks/create", "marks/prune"
# A backup whose hold on collections was not renewed for half of this time fails by itself.
CREATE_LIVES = timedelta(hours=1)
RENEWED_SECONDS = 20.0
# A prune whose mark was not renewed for the first time stops; one whose mark did not change for the second
# one has ended.
PRUNE_STOPS_SECONDS = 60.0
PRUNE_LIVES_SECONDS = 120.0
LOOK_SECONDS = 1.0


@contextmanager
def creating(store: BlobStore) -> Iterator[Callable[[], None]]:
    """The time of making a backup; begins when no prune removes content. Gives what renews the mark."""
    with _placed(store, CREATE) as renew:
        _wait_for_prunes(store)
        yield renew


def creates(store: BlobStore, now: datetime) -> bool:
    """True while a backup is being made, or may be: its process may have been killed within the last hour."""
    return any(now - blob.modified_at < CREATE_LIVES for blob in _marks(store, CREATE))


@contextmanager
def pruning(store: BlobStore) -> Iterator[Callable[[], None]]:
    """The time in which content is removed. The caller calls the given function for each content that it
    lists, and before each removal.

    It raises BackupFailed if the mark could not be renewed in time: a backup may have begun.
    """
    with _placed(store, PRUNE) as renew:
        renewed_at = time.monotonic()

        def keep() -> None:
            nonlocal renewed_at
            silent = time.monotonic() - renewed_at
            if silent > PRUNE_STOPS_SECONDS:
                raise BackupFailed(f"The place did not answer for {silent:.0f} s. Prune again.")
            if silent > RENEWED_SECONDS:
                renewed_at = time.monotonic()
                renew()

        yield keep


@contextmanager
def _placed(store: BlobStore, kind: str) -> Iterator[Callable[[], None]]:
    """A mark that is there until the block ends, also by an error."""
    key, numbers = f"{kind}-{secrets.token_hex(8)}", count()

    def renew() -> None:
        store.put_stream(key, [str(next(numbers)).encode()])

    renew()
    try:
        yield renew
    finally:
        store.delete(key)


def _marks(store: BlobStore, kind: str) -> list[Blob]:
    return [blob for blob in store.list("marks") if blob.key.startswith(f"{kind}-")]


def _wait_for_prunes(store: BlobStore) -> None:
    """Wait until each prune has removed its mark, or has not renewed it for PRUNE_LIVES_SECONDS.

    The clocks of two machines may differ, so only a change of the mark counts.
    """
    seen: dict[Blob, float] = {}
    while True:
        now = time.monotonic()
        seen = {mark: seen.get(mark, now) for mark in _marks(store, PRUNE)}
        if all(now - since >= PRUNE_LIVES_SECONDS for since in seen.values()):
            return
        time.sleep(LOOK_SECONDS)
