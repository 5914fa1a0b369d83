"""The processes of a web server: a parent that has loaded the application, and its children that serve."""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bazaar.server.http.server import Server
from bazaar.server.running import DRAIN, SERVE

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
# A process whose loop has not turned for so long is replaced. Requests may last longer.
SILENT_SECONDS_MAX = 60.0
# A process that ends sooner than this is started again after a pause.
QUICK_END_SECONDS = 2.0
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_SIGNALS = (*_STOP_SIGNALS, DRAIN, SERVE)
_ABSENT = float("inf")


class Board:
    """Memory that the processes share: when each was last alive, and how many connections it has."""

    def __init__(self, processes: int) -> None:
        self._memory = memoryview(mmap.mmap(-1, processes * 16)).cast("d")
        self.processes = processes
        for number in range(processes):
            self.clear(number)

    def clear(self, number: int) -> None:
        """Record that the process does not accept connections (yet), so that others do not wait for it."""
        self._memory[number * 2] = time.monotonic()
        self._memory[number * 2 + 1] = _ABSENT

    def seen_at(self, number: int) -> float:
        return self._memory[number * 2]

    def connections(self, number: int) -> float:
        return self._memory[number * 2 + 1]

    def write(self, number: int, connections: int) -> None:
        self._memory[number * 2] = time.monotonic()
        self._memory[number * 2 + 1] = connections

    def total(self) -> int:
        """The connections of all processes."""
        counts = [self.connections(number) for number in range(self.processes)]
        return int(sum(count for count in counts if count != _ABSENT))


class Seat:
    """One process's place on the board (`server.Peers`)."""

    def __init__(self, board: Board, number: int) -> None:
        self.board, self.number = board, number
        self._parent = os.getpid()

    def beat(self, connections: int) -> None:
        """Say that this process lives. Without its parent it ends itself."""
        self.board.write(self.number, connections)
        if os.getppid() != self._parent:
            os.kill(os.getpid(), signal.SIGTERM)

    def others_have_fewer(self, connections: int) -> bool:
        others = (number for number in range(self.board.processes) if number != self.number)
        return any(self.board.connections(number) < connections for number in others)


@dataclass(slots=True)
class Hooks:
    """Hooks that run when the processes start and end."""

    # In a new process, before it serves.
    begin: Callable[[], None]
    # In a process that has served its last request.
    finish: Callable[[], None]
    # In the parent, when the process with this id has ended.
    ended: Callable[[int], None]
    # In each process, when it begins to drain (true), or serves as usual again.
    drain: Callable[[bool], None]
    # In the parent, when that changes and each second of draining: whether it drains, and the connections.
    tell: Callable[[bool, int], None]
    # In the parent, before the processes are stopped: refuse new connections.
    refuse: Callable[[], None]


@dataclass(slots=True)
class _Child:
    number: int
    started_at: float = field(default_factory=time.monotonic)


class Processes:
    """Runs `count` processes, each with a server that `make_server(peers)` gives, until a signal to stop.

    After the signal they serve for `drain_seconds` more, while the node says that it is not ready. A second
    signal ends that time. Then new connections are refused, and requests have `graceful_seconds` to end.
    """

    def __init__(
        self,
        count: int,
        make_server: Callable[[Seat], Server],
        hooks: Hooks,
        *,
        graceful_seconds: float,
        drain_seconds: float = 0.0,
    ) -> None:
        self.count, self.make_server, self.hooks = count, make_server, hooks
        self.graceful_seconds, self.drain_seconds = graceful_seconds, drain_seconds
        self.board = Board(count)
        self._children: dict[int, _Child] = {}
        self._due: dict[int, float] = {}
        # True if the processes are to drain; true if they know it.
        self._is_draining = self._drains = False
        self._is_stopping = False
        self._stops = 0

    def run(self) -> None:
        """Start the processes, replace those that end, and stop them all when told to."""
        read, write = socket.socketpair()
        for end in (read, write):
            end.setblocking(False)
        signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
        for number in _STOP_SIGNALS:
            signal.signal(number, self._on_stop)
        for number in (DRAIN, SERVE):
            signal.signal(number, self._on_drain)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._due = dict.fromkeys(range(self.count), 0.0)
        try:
            while not self._stops:
                self._turn(read)
            self._drain(read)
        finally:
            self._stop_all()
            signal.set_wakeup_fd(-1)
            read.close()
            write.close()

    def _turn(self, read: socket.socket) -> None:
        """Look after the processes once, and then wait for a signal or the next second."""
        self._start_due()
        select.select([read], [], [], TICK_SECONDS)
        with contextlib.suppress(BlockingIOError):
            read.recv(4096)
        self._reap()
        self._replace_silent()
        self._pass_draining_on()

    def _pass_draining_on(self) -> None:
        """Let the processes drain, or not any more, and say how far that is."""
        is_new, self._drains = self._drains != self._is_draining, self._is_draining
        if is_new:
            for process in self._children:
                os.kill(process, DRAIN if self._drains else SERVE)
        if is_new or self._drains:
            self.hooks.tell(self._drains, self.board.total())

    def _drain(self, read: socket.socket) -> None:
        """Serve on, not ready any more, until the time for that is over or another signal to stop comes."""
        deadline = time.monotonic() + self.drain_seconds
        self._is_draining = True
        while self._stops < 2 and time.monotonic() < deadline:
            self._turn(read)
        self.hooks.refuse()

    def _on_stop(self, *_: object) -> None:
        self._stops += 1

    def _on_drain(self, number: int, *_: object) -> None:
        # A server that is stopping is not ready any more.
        self._is_draining = number == DRAIN or bool(self._stops)

    def _start_due(self) -> None:
        now = time.monotonic()
        for number in [number for number, due in self._due.items() if due <= now]:
            del self._due[number]
            self.board.clear(number)
            sys.stdout.flush()
            sys.stderr.flush()
            seat = Seat(self.board, number)
            # Until the child has handlers of its own, a signal to stop waits.
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
            process = os.fork()
            if not process:
                _serve(self.make_server, seat, self.hooks, is_draining=self._drains)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            self._children[process] = _Child(number)

    def _reap(self) -> None:
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not process:
                return
            child = self._children.pop(process, None)
            if child is None:
                continue
            self.board.clear(child.number)
            self.hooks.ended(process)
            if not self._is_stopping:
                code = os.waitstatus_to_exitcode(status)
                log.warning("web_process_restarted process=%s exit_code=%s", process, code)
            is_quick = time.monotonic() - child.started_at < QUICK_END_SECONDS
            self._due[child.number] = time.monotonic() + (QUICK_END_SECONDS if is_quick else 0.0)

    def _replace_silent(self) -> None:
        for process, child in self._children.items():
            if time.monotonic() - self.board.seen_at(child.number) > SILENT_SECONDS_MAX:
                log.error("web_process_killed process=%s silent_seconds=%s", process, SILENT_SECONDS_MAX)
                self.board.clear(child.number)
                os.kill(process, signal.SIGKILL)

    def _stop_all(self) -> None:
        """Ask all to finish, wait, and end those that do not."""
        self._is_stopping = True
        deadline = time.monotonic() + self.graceful_seconds + 2.0
        asked = signal.SIGTERM
        while self._children:
            for process in self._children:
                os.kill(process, asked)
            while self._children and (asked is signal.SIGKILL or time.monotonic() < deadline):
                time.sleep(0.02)
                self._reap()
            asked = signal.SIGKILL


def _serve(make_server: Callable[[Seat], Server], seat: Seat, hooks: Hooks, *, is_draining: bool) -> None:
    """The life of one serving process; does not return."""
    code = 1
    try:
        server = make_server(seat)

        def drain(number: int, *_: object) -> None:
            hooks.drain(number == DRAIN)
            server.drain(is_on=number == DRAIN)

        if is_draining:
            drain(DRAIN)
        signal.set_wakeup_fd(server.wake_socket.fileno(), warn_on_full_buffer=False)
        # Ctrl-C reaches the whole group on a terminal: the parent decides.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in (signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, lambda *_: server.stop())
        for number in (DRAIN, SERVE):
            signal.signal(number, drain)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        hooks.begin()
        seat.beat(0)
        server.run()
        hooks.finish()
        code = 0
    except BaseException:
        log.exception("web_process_failed")
    finally:
        # Not by sys.exit: what the parent would clean up is the parent's.
        logging.shutdown()
        os._exit(code)
