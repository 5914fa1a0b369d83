"""The hooks of `git receive-pack`: git asks the thread that started it, over two named pipes.

`pre-receive` asks whether a push is let in, while its objects wait in quarantine. `proc-receive` asks the hub
to move the refs in git's place (githooks(5)), and passes the results on. Both are a few lines of shell.
"""

from __future__ import annotations

import os
import secrets
import select
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from foundation import temporary_files
from hub.gitstore.errors import GitFailed
from hub.gitstore.questions import Push, Question
from hub.gitstore.values import RefUpdate

CHUNK_BYTES = 64 * 1024
REASON_BYTES_MAX = 2000
REASONS_MAX = 20
HOOKS = ("pre-receive", "proc-receive")
HOOK = """\
#!/bin/sh
# Asks the hub, which started this git. pre-receive: may the push in? proc-receive: move the refs, please.
# The answer is lines to print, then "ok", "refused", or "report N" and the N bytes that git is to get.
if [ -z "$BAZAAR_ASK" ]; then
    echo "This repository is written through its hub only." >&2
    exit 1
fi
# Should the hub die, asking it and reading its answer end, and so does this. Opening a pipe of a dead hub
# would wait for ever, so each is opened both ways first, which never waits.
exec 5<> "$BAZAAR_ANSWER" 6<> "$BAZAAR_ASK"
exec 3< "$BAZAAR_ANSWER" 4> "$BAZAAR_ASK" 5>&- 6>&-
case "$0" in
    *proc-receive)
        # Git keeps its side open until it has the results, so this copies beside the rest.
        printf '000eversion=1\\n0000'
        echo proc-receive >&4
        exec 7<&0
        cat <&7 >&4 3<&- &
        exec 7<&-
        ;;
    *) { echo pre-receive; echo "$GIT_QUARANTINE_PATH"; cat; printf '\\000'; } >&4 ;;
esac
exec 4>&-
while IFS= read -r line; do
    case "$line" in
        ok) exit 0 ;;
        refused) exit 1 ;;
        report\\ *) head -c "${line#report }"; exit 0 ;;
        *) printf '%s\\n' "$line" >&2 ;;
    esac
done <&3
exit 1
"""


Decide = Callable[[Push], Sequence[str]]
# The refs that did not move, and why.
Move = Callable[[Push], Mapping[str, str]]


class Conversation:
    """One push's questions and answers. `variables` tell the hooks of git where the pipes are."""

    def __init__(
        self, folder: Path, ask: int, answer: int, decide: Decide, move: Move, seconds: float
    ) -> None:
        self.variables = {"BAZAAR_ASK": str(folder / "ask"), "BAZAAR_ANSWER": str(folder / "answer")}
        self._ask, self._answer, self._decide, self._move = ask, answer, decide, move
        self._question, self._unsent = Question(), b""
        self._seconds_left = seconds

    def goes_on_until_readable(self, output: int) -> bool:
        """Answer questions until git's output can be read, or has ended; then return true.

        Raises: GitFailed when git has been silent for all its seconds, or asks what no hook asks.
        """
        while True:
            poll = select.poll()
            poll.register(output, select.POLLIN)
            poll.register(self._ask, select.POLLIN)
            if self._unsent:
                poll.register(self._answer, select.POLLOUT)
            ready = self._wait(poll)
            if self._answer in ready:
                self._unsent = self._unsent[os.write(self._answer, self._unsent) :]
            if self._ask in ready:
                self._unsent += self._reply(os.read(self._ask, CHUNK_BYTES))
            elif output in ready:
                return True

    def _wait(self, poll: select.poll) -> set[int]:
        """The pipes that are ready. Only waiting for git counts: not the hub's own work, nor the client's."""
        began = time.monotonic()
        ready = {descriptor for descriptor, _ in poll.poll(max(0, self._seconds_left) * 1000)}
        self._seconds_left -= time.monotonic() - began
        if not ready:
            raise GitFailed from TimeoutError("git receive-pack neither asked, answered nor ended")
        return ready

    def _reply(self, piece: bytes) -> bytes:
        """The answer to the question, once it is whole; until then nothing."""
        push = self._question.add(piece)
        if push is None:
            return b""
        hook, self._question = self._question.hook, Question()
        if hook == b"pre-receive":
            return _verdict(self._decide(push))
        return _report(push.changes, self._move(push))


@contextmanager
def conversation(decide: Decide, move: Move, *, seconds: float) -> Iterator[Conversation]:
    """Two named pipes in a folder of their own, both held open so that neither side ever waits to open.

    `seconds` is how long git may be waited for, all together.
    """
    pipes = Path(tempfile.mkdtemp(prefix="push-", dir=temporary_files.folder()))
    descriptors: list[int] = []
    try:
        for name in ("ask", "answer"):
            os.mkfifo(pipes / name, 0o600)
            descriptors.append(os.open(pipes / name, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
        ask, answer = descriptors
        yield Conversation(pipes, ask, answer, decide, move, seconds)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
        shutil.rmtree(pipes, ignore_errors=True)


def _one_line(reason: str) -> bytes:
    """A reason on one line, so that it cannot be taken for the verdict."""
    return " ".join(reason.split()).encode(errors="replace")[:REASON_BYTES_MAX]


def _verdict(reasons: Sequence[str]) -> bytes:
    lines = [b"error: " + _one_line(reason) for reason in reasons[:REASONS_MAX]]
    return b"\n".join([*lines, b"refused" if reasons else b"ok", b""])


def _report(changes: Sequence[RefUpdate], refused: Mapping[str, str]) -> bytes:
    """The results of all refs as pkt-lines, after a line that says how many bytes they are."""
    report = b""
    for change in changes:
        reason, ref = refused.get(change.ref), change.ref.encode(errors="surrogateescape")
        line = b"ok %b" % ref if reason is None else b"ng %b %b" % (ref, _one_line(reason))
        report += b"%04x%b" % (len(line) + 4, line)
    report += b"0000"
    return b"report %d\n%b" % (len(report), report)


def folder() -> Path:
    """The one folder of hooks that all repositories share. Raises: GitFailed."""
    return _write_hooks(str(settings.TEMP_ROOT))


@lru_cache(maxsize=8)
def _write_hooks(root: str) -> Path:
    """Write the hooks; git would pass over a missing folder.

    Raises: GitFailed where the folder's file system lets nothing run.
    """
    written = Path(root).parent / "hooks"
    written.mkdir(parents=True, exist_ok=True)
    for name in HOOKS:
        building = written / f".{name}.{secrets.token_hex(4)}"
        building.write_text(HOOK)
        building.chmod(0o755)
        building.replace(written / name)
        if not os.access(written / name, os.X_OK):
            raise GitFailed from PermissionError(f"{written / name} cannot be run (mounted noexec?)")
    return written
