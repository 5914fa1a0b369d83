"""The threads that run the application.

Python runs one thread at a time, and threads that take turns at that cost more than they gain. So a second
request waits a moment for the busy thread, and gets another one where that thread is slow: it waits for a
database or a disk. A thread that waits for its *client* becomes a transfer: the pool may have another
instead.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

Task = Callable[[], None]

# Seconds that a request waits for a busy thread before it gets a new one.
PATIENCE_SECONDS = 0.002


class _Worker:
    """One thread: its current job, and if it counts as a transfer."""

    def __init__(self, task: Task, *, is_transfer: bool) -> None:
        self.task: Task | None = task
        self.is_transfer = is_transfer
        self.asleep = threading.Lock()  # held while the thread has nothing to do
        self.asleep.acquire()


class Pool:
    """Up to `size` threads that work, and up to `transfers_max` more that wait for their clients.

    `at_thread_end` is called in each thread that ends, to close what belongs to it.
    """

    def __init__(self, *, size: int, transfers_max: int, at_thread_end: Task | None = None) -> None:
        self.size, self.transfers_max = size, transfers_max
        self._at_thread_end = at_thread_end
        self._lock = threading.Lock()
        self._waiting: deque[tuple[float, Task]] = deque()
        self._waiting_transfers: deque[Task] = deque()
        self._idle: list[_Worker] = []
        self._working = 0
        self._transfers = 0
        self._is_stopping = False
        self._threads: set[threading.Thread] = set()
        self._own = threading.local()

    @property
    def has_waiting(self) -> bool:
        """True if requests wait for a thread; then call `engage` every few milliseconds."""
        return bool(self._waiting)

    @property
    def has_waiting_transfers(self) -> bool:
        """True if requests wait because too many threads wait for their clients."""
        return bool(self._waiting_transfers)

    @property
    def is_quiet(self) -> bool:
        """True if no request runs or waits."""
        return not (self._working or self._transfers or self._waiting or self._waiting_transfers)

    def submit(self, task: Task) -> None:
        """Run the task soon. It must not raise."""
        with self._lock:
            if self._working:
                self._waiting.append((time.monotonic(), task))
            else:
                self._hand_out(task, is_transfer=False)

    def submit_transfer(self, task: Task) -> None:
        """Run a task that will wait for its client, as soon as one more may. It must not raise."""
        with self._lock:
            if self._transfers < self.transfers_max:
                self._hand_out(task, is_transfer=True)
            else:
                self._waiting_transfers.append(task)

    def engage(self) -> None:
        """Give more threads to requests that have waited for the busy ones long enough."""
        with self._lock:
            latest = time.monotonic() - PATIENCE_SECONDS
            while self._waiting and self._working < self.size and self._waiting[0][0] <= latest:
                self._hand_out(self._waiting.popleft()[1], is_transfer=False)

    def become_transfer(self) -> bool:
        """To be called by a thread that has to wait for its client.

        False when too many do so already; then the thread goes on counting as one that works.
        """
        worker: _Worker = self._own.worker
        with self._lock:
            if worker.is_transfer:
                return True
            if self._transfers >= self.transfers_max:
                return False
            worker.is_transfer = True
            self._transfers += 1
            self._working -= 1
            if self._waiting and not self._working:
                self._hand_out(self._waiting.popleft()[1], is_transfer=False)
            return True

    def stop(self) -> None:
        """Let idle threads end; those that are busy end after their tasks."""
        with self._lock:
            self._is_stopping = True
            for worker in self._idle:
                worker.task = None
                worker.asleep.release()
            self._idle.clear()

    def join(self, seconds: float) -> None:
        """Wait at most so long for the threads to end."""
        deadline = time.monotonic() + seconds
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))

    def _hand_out(self, task: Task, *, is_transfer: bool) -> None:
        if is_transfer:
            self._transfers += 1
        else:
            self._working += 1
        if self._idle:
            worker = self._idle.pop()
            worker.task, worker.is_transfer = task, is_transfer
            worker.asleep.release()
            return
        worker = _Worker(task, is_transfer=is_transfer)
        thread = threading.Thread(target=self._run, args=(worker,), name="http", daemon=True)
        self._threads.add(thread)
        thread.start()

    # ---- in the threads --------------------------------------------------------------------------

    def _run(self, worker: _Worker) -> None:
        self._own.worker = worker
        try:
            while worker.task is not None:
                worker.task()
                if not self._next(worker):
                    worker.asleep.acquire()
        finally:
            if self._at_thread_end is not None:
                self._at_thread_end()
            self._threads.discard(threading.current_thread())

    def _next(self, worker: _Worker) -> bool:
        """Settle what the thread does next: `task`, None to end. False when it has to sleep first."""
        with self._lock:
            worker.task = None
            if worker.is_transfer:
                self._transfers -= 1
            else:
                self._working -= 1
            if self._waiting_transfers and self._transfers < self.transfers_max:
                worker.task, worker.is_transfer = self._waiting_transfers.popleft(), True
                self._transfers += 1
            elif self._waiting and self._working < self.size:
                worker.task, worker.is_transfer = self._waiting.popleft()[1], False
                self._working += 1
            elif not self._is_stopping and len(self._idle) < self.size:
                self._idle.append(worker)
                return False
        return True
