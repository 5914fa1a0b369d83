"""Files read back from their stored chunks to take their SHA-256: several at once, in flat memory.

One SHA-256 is one thread's work, however many processors there are. So each file that is being read has a
thread that hashes, others fetch and verify the pieces that come next, and the caller only hands out.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle, islice

from hub.xet import hash_ahead, reconstruction
from hub.xet.codec.compression import Bytes
from hub.xet.codec.hashes import to_text
from hub.xet.codec.running_sha256 import RunningSha256
from hub.xet.codec.shards import ShardFile
from hub.xet.hash_ahead import Beginning
from hub.xet.layouts import Layouts
from hub.xet.reconstruction import PIECES_AHEAD, Buffer, Run

# Each takes about 6 MB of buffers.
FILES_AT_ONCE = min(4, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Hashed:
    """So many more bytes of a file have been hashed; `digest` is its SHA-256 once it has ended.

    `is_continued`: the file's beginning was hashed before, while it arrived.
    """

    file: ShardFile
    count: int
    digest: bytes | None = None
    is_continued: bool = False


def read_back(files: Iterable[ShardFile], layouts: Layouts, *, may_continue: bool = True) -> Iterator[Hashed]:
    """Hash files from their chunks, each of which is checked too. Database queries stay in this thread.

    With `may_continue` a file's beginning that was hashed while it arrived is not read again.
    Raises XorbDamaged.
    """
    with ExitStack() as stack:
        fetchers = stack.enter_context(ThreadPoolExecutor(FILES_AT_ONCE + 1, "xet-fetch"))
        hashers = [stack.enter_context(ThreadPoolExecutor(1, "xet-sha256")) for _ in range(FILES_AT_ONCE)]
        coming = (_beginning(file, layouts, may_continue=may_continue) for file in files)
        pairs = zip(hashers, coming, strict=False)
        reading = deque(_Reading(*file, layouts, fetchers, hasher) for hasher, file in pairs)
        while reading:
            first = reading.popleft()
            if count := first.advance():
                yield Hashed(first.file, count)
                reading.append(first)
                continue
            yield Hashed(first.file, first.skipped_bytes, first.digest.digest(), bool(first.skipped_bytes))
            reading.extend(_Reading(*file, layouts, fetchers, first.hasher) for file in islice(coming, 1))


def _beginning(
    file: ShardFile, layouts: Layouts, *, may_continue: bool
) -> tuple[ShardFile, Beginning | None]:
    return file, hash_ahead.beginning_of(file, layouts) if may_continue else None


class _Reading:
    """One file, a few pieces of which are being fetched, and hashed in order."""

    def __init__(
        self,
        file: ShardFile,
        beginning: Beginning | None,
        layouts: Layouts,
        fetchers: ThreadPoolExecutor,
        hasher: ThreadPoolExecutor,
    ) -> None:
        self.file = file
        self.hasher = hasher
        self.digest = hashlib.sha256() if beginning is None else RunningSha256(beginning.state)
        self.skipped_bytes = 0 if beginning is None else beginning.size
        self._fetchers = fetchers
        terms = islice(file.terms, 0 if beginning is None else beginning.terms, None)
        runs = (Run(to_text(term.xorb), term.first, term.end) for term in terms)
        self._pieces = reconstruction.pieces_of_runs(runs, layouts)
        self._buffers = cycle([Buffer() for _ in range(PIECES_AHEAD + 1)])
        self._hashed: deque[Future[int]] = deque()

    def advance(self) -> int:
        """Send for what comes next, and wait until one more piece is hashed: its bytes, 0 at the end."""
        for piece in islice(self._pieces, PIECES_AHEAD + 1 - len(self._hashed)):
            fetched = self._fetchers.submit(reconstruction.fetch, piece, next(self._buffers))
            self._hashed.append(self.hasher.submit(self._hash, fetched))
        return self._hashed.popleft().result() if self._hashed else 0

    def _hash(self, fetched: Future[list[Bytes]]) -> int:
        chunks = fetched.result()
        for chunk in chunks:
            self.digest.update(chunk)
        return sum(map(len, chunks))
