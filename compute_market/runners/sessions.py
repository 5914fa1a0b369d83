"""A shell or a command beside a work: one session on one connection from the hub.

The hub's ssh server speaks to it in frames, since output, errors, window sizes and the exit code share the
connection: a byte that says what, four bytes of length, and the content. First comes a line of JSON:
`{"command": "ls", "terminal": {"type": "xterm", "rows": 24, "columns": 80}, "environment": {}}`,
where no command means a shell, and no terminal pipes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import selectors
import signal
import socket
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Mapping
from typing import Any

from compute_market.runners.base import Inside

STDIN, STDOUT, STDERR, RESIZE, EXIT, SIGNAL, STDIN_END = b"iortxse"
HEADER_BYTES_MAX = 64 * 1024
FRAME_BYTES_MAX = 256 * 1024
SESSION_PIECE_BYTES = 32 * 1024
END_GRACE_S = 2.0
SIGNALS = {"INT", "TERM", "HUP", "KILL", "QUIT", "USR1", "USR2"}
# The shells that are tried, from the most comfortable one.
SHELL_SCRIPT = "if command -v bash >/dev/null 2>&1; then exec bash -l; else exec sh -l; fi"


# The words of a command → how it is run (`Runner.inside`).
MakeInside = Callable[..., Inside]


def session_target(make_inside: MakeInside) -> Callable[[], socket.socket]:
    """Connects to a new session: its own end of a pair, the other served by a thread."""

    def connect() -> socket.socket:
        ours, theirs = socket.socketpair()
        threading.Thread(
            target=serve_session, args=(theirs, make_inside), name="session", daemon=True
        ).start()
        return ours

    return connect


def serve_session(connection: socket.socket, make_inside: MakeInside) -> None:
    """Run one session to its end; it ends with the connection at the latest."""
    with connection:
        try:
            asked = json.loads(read_line(connection))
            command = asked.get("command")
            terminal = asked.get("terminal")
            words = ["/bin/sh", "-c", SHELL_SCRIPT if command is None else str(command)]
            variables = {str(name): str(value) for name, value in (asked.get("environment") or {}).items()}
            if terminal is not None:
                variables["TERM"] = str(terminal.get("type") or "xterm")[:40]
            inside = make_inside(words, environment=variables, has_terminal=terminal is not None)
            Session(connection, inside, terminal).run()
        except (OSError, ValueError, AttributeError, subprocess.SubprocessError) as error:
            with contextlib.suppress(OSError):
                text = f"{getattr(error, 'strerror', None) or error}\r\n".encode()
                connection.sendall(frame(STDERR, text) + frame(EXIT, b"127"))


class Session:
    """One command, its terminal or pipes, and the connection that it belongs to."""

    def __init__(self, connection: socket.socket, inside: Inside, terminal: Mapping[str, Any] | None) -> None:
        self.connection = connection
        self.received = bytearray()
        self.terminal: int | None = None
        self.stdin: int | None = None
        self.outputs: dict[int, int] = {}
        self._to_write = bytearray()
        self._ends_stdin = False
        if terminal is not None:
            self.process = self._with_terminal(inside, terminal)
        else:
            self.process = self._with_pipes(inside)

    def _with_terminal(self, inside: Inside, terminal: Mapping[str, Any]) -> subprocess.Popen[bytes]:
        ours, theirs = pty.openpty()
        try:
            set_size(ours, terminal)
            process = start_inside(inside, stdin=theirs, stdout=theirs, stderr=theirs, has_terminal=True)
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        self.terminal = self.stdin = ours
        self.outputs = {ours: STDOUT}
        return process

    def _with_pipes(self, inside: Inside) -> subprocess.Popen[bytes]:
        pipes = [os.pipe() for _ in range(3)]
        (their_in, our_in), (our_out, their_out), (our_err, their_err) = pipes
        try:
            process = start_inside(inside, stdin=their_in, stdout=their_out, stderr=their_err)
        except BaseException:
            for number in (our_in, our_out, our_err):
                os.close(number)
            raise
        finally:
            for number in (their_in, their_out, their_err):
                os.close(number)
        self.stdin = our_in
        self.outputs = {our_out: STDOUT, our_err: STDERR}
        return process

    def run(self) -> None:
        """Copy until the command has ended and its outputs are closed, or the connection is gone.

        A child in the background that keeps an output open holds the session, as with OpenSSH 9; with a
        terminal it does not.
        """
        try:
            with selectors.DefaultSelector() as selector:
                self._copy(selector)
        finally:
            self._end()
            for number in {*self.outputs, *([self.stdin] if self.stdin is not None else [])}:
                with contextlib.suppress(OSError):
                    os.close(number)

    def _copy(self, selector: selectors.BaseSelector) -> None:
        selector.register(self.connection, selectors.EVENT_READ)
        for number in self.outputs:
            selector.register(number, selectors.EVENT_READ)
        open_outputs = set(self.outputs)
        while open_outputs or not self._has_ended():
            self._feed(selector)
            for key, _ in selector.select(0.5 if open_outputs else 0):
                if key.fd == self.connection.fileno():
                    if not self._hear():
                        return
                elif key.fd in open_outputs and key.events & selectors.EVENT_READ:
                    piece = read_piece(key.fd)
                    if piece:
                        self.connection.sendall(frame(self.outputs[key.fd], piece))
                    elif piece is not None:
                        selector.unregister(key.fd)
                        open_outputs.discard(key.fd)
            if self.process.poll() is not None and self.terminal is not None and not self._has_output():
                # A child in the background may keep the terminal open forever.
                break
        self.connection.sendall(frame(EXIT, str(self.process.wait()).encode()))

    def _has_output(self) -> bool:
        with selectors.DefaultSelector() as selector:
            for number in self.outputs:
                selector.register(number, selectors.EVENT_READ)
            return bool(selector.select(0))

    def _has_ended(self) -> bool:
        """True if the command has ended; waits a moment for that."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=0.1)
        return self.process.poll() is not None

    def _hear(self) -> bool:
        """Take in frames. False: the connection is gone."""
        data = self.connection.recv(SESSION_PIECE_BYTES)
        if not data:
            return False
        self.received += data
        while len(self.received) >= 5:
            size = int.from_bytes(self.received[1:5], "big")
            if size > FRAME_BYTES_MAX:
                return False
            if len(self.received) < 5 + size:
                break
            kind, content = self.received[0], bytes(self.received[5 : 5 + size])
            del self.received[: 5 + size]
            self._obey(kind, content)
        return True

    def _obey(self, kind: int, content: bytes) -> None:
        if kind == STDIN:
            self._to_write += content
        elif kind == STDIN_END:
            self._ends_stdin = True
        elif kind == RESIZE and self.terminal is not None:
            set_size(self.terminal, json.loads(content))
        elif kind == SIGNAL and (name := content.decode(errors="replace")) in SIGNALS:
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, getattr(signal, f"SIG{name}"))

    def _feed(self, selector: selectors.BaseSelector) -> None:
        """Give the command its input, as far as it takes it; meanwhile hear no more than a little."""
        if self.stdin is not None and self._to_write:
            os.set_blocking(self.stdin, False)
            with contextlib.suppress(BlockingIOError):
                try:
                    del self._to_write[: os.write(self.stdin, self._to_write[:SESSION_PIECE_BYTES])]
                except OSError as error:
                    if isinstance(error, BlockingIOError):
                        raise
                    self._to_write.clear()
                    self._ends_stdin = True
        if self._ends_stdin and not self._to_write and self.stdin is not None:
            if self.terminal is None:
                os.close(self.stdin)
                self.stdin = None
            self._ends_stdin = False
        wanted = len(self._to_write) < FRAME_BYTES_MAX
        known = self.connection.fileno() in selector.get_map()
        if wanted and not known:
            selector.register(self.connection, selectors.EVENT_READ)
        elif known and not wanted:
            selector.unregister(self.connection)

    def _end(self) -> None:
        """End the command and its group, unless it has ended by itself.

        As with OpenSSH, what a command left in the background goes on after it, without the connection; it
        ends with the work. A terminal hangs up when it is closed, which ends what was started on it.
        """
        if self.process.poll() is not None:
            return
        for number in (signal.SIGHUP, signal.SIGKILL):
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=END_GRACE_S)


def start_inside(
    inside: Inside, *, stdin: int, stdout: int, stderr: int, has_terminal: bool = False
) -> subprocess.Popen[bytes]:
    """Start it in a session of its own. Raises: OSError, ValueError, subprocess.SubprocessError."""

    def prepare() -> None:
        if has_terminal:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        if inside.before is not None:
            inside.before()

    return subprocess.Popen(  # noqa: S603 - running the holder's command is the purpose
        list(inside.words),
        cwd=inside.folder,
        env=dict(inside.environment),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        close_fds=True,
        preexec_fn=prepare,  # noqa: PLW1509 - it makes system calls, and takes no lock that this thread holds
    )


def read_line(connection: socket.socket) -> bytes:
    """The first line, read byte by byte: what follows belongs to the frames. Raises: ValueError."""
    connection.settimeout(30)
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = connection.recv(1)
        if not piece or len(line) > HEADER_BYTES_MAX:
            raise ValueError("there was no request")
        line += piece
    connection.settimeout(None)
    return bytes(line)


def frame(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + len(content).to_bytes(4, "big") + content


def read_piece(number: int) -> bytes | None:
    """Some output; empty at its end. A terminal whose last user has gone says so by an error."""
    try:
        return os.read(number, SESSION_PIECE_BYTES)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def set_size(terminal: int, size: Mapping[str, Any]) -> None:
    """Give a terminal its size in characters."""
    rows, columns = (max(1, min(1000, int(size.get(name) or 0))) for name in ("rows", "columns"))
    with contextlib.suppress(OSError):
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
