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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from foundation import temporary_files
from hub.gitstore.errors import GitFailed
from hub.gitstore.values import RefUpdate

NULL_SHA = "0" * 40
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
    *) { echo pre-receive; echo "$GIT_QUARANTINE_PATH"; cat; echo end; } >&4 ;;
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


@dataclass(frozen=True, slots=True)
class Push:
    """The request of a push. `objects` is the folder in which its new objects wait, if it brought any.

    `is_atomic`: the refs move all or none. It is known once they are to move.
    """

    changes: list[RefUpdate]
    objects: Path | None = None
    is_atomic: bool = False


Decide = Callable[[Push], Sequence[str]]
# The refs that did not move, and why.
Move = Callable[[Push], Mapping[str, str]]


class Conversation:
    """One push's questions and answers. `variables` tell the hooks of git where the pipes are."""

    def __init__(self, folder: Path, ask: int, answer: int, decide: Decide, move: Move) -> None:
        self.variables = {"BAZAAR_ASK": str(folder / "ask"), "BAZAAR_ANSWER": str(folder / "answer")}
        self._ask, self._answer, self._decide, self._move = ask, answer, decide, move
        self._question, self._unsent = b"", b""

    def goes_on_until_readable(self, output: int) -> bool:
        """Answer questions until git's output can be read, or has ended; then return true."""
        while True:
            poll = select.poll()
            poll.register(output, select.POLLIN)
            poll.register(self._ask, select.POLLIN)
            if self._unsent:
                poll.register(self._answer, select.POLLOUT)
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._answer in ready:
                self._unsent = self._unsent[os.write(self._answer, self._unsent) :]
            if self._ask in ready:
                self._question += os.read(self._ask, CHUNK_BYTES)
                self._unsent += self._reply()
            elif output in ready:
                return True

    def _reply(self) -> bytes:
        """The answer to the question, once it is whole; until then nothing."""
        if (push := _read_push(self._question)) is not None:
            self._question = b""
            return _verdict(self._decide(push))
        if (push := _read_commands(self._question)) is not None:
            self._question = b""
            return _report(push.changes, self._move(push))
        return b""


@contextmanager
def conversation(decide: Decide, move: Move) -> Iterator[Conversation]:
    """Two named pipes in a folder of their own, both held open so that neither side ever waits to open."""
    pipes = Path(tempfile.mkdtemp(prefix="push-", dir=temporary_files.folder()))
    descriptors: list[int] = []
    try:
        for name in ("ask", "answer"):
            os.mkfifo(pipes / name, 0o600)
            descriptors.append(os.open(pipes / name, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
        ask, answer = descriptors
        yield Conversation(pipes, ask, answer, decide, move)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
        shutil.rmtree(pipes, ignore_errors=True)


def _update(line: str) -> RefUpdate:
    old, new, ref = line.split(" ", 2)
    return RefUpdate(ref, None if old == NULL_SHA else old, None if new == NULL_SHA else new)


def _read_push(question: bytes) -> Push | None:
    """The question of `pre-receive`, once it is whole: a line each for the quarantine folder and the refs."""
    if not question.startswith(b"pre-receive\n") or not question.endswith(b"\nend\n"):
        return None
    objects, *lines = question.decode(errors="surrogateescape").removesuffix("\nend\n").split("\n")[1:]
    return Push([_update(line) for line in lines], Path(objects) if objects else None)


def _read_commands(question: bytes) -> Push | None:
    """The question of `proc-receive`, once it is whole: two lists of pkt-lines, capabilities and commands."""
    head, _, rest = question.partition(b"\n")
    if head != b"proc-receive":
        return None
    lists: list[list[bytes]] = [[]]
    while len(lists) <= 2:
        if len(rest) < 4:
            return None
        size = int(rest[:4], 16)
        if size == 0:  # the end of a list
            lists.append([])
            rest = rest[4:]
            continue
        if len(rest) < size:
            return None
        lists[-1].append(rest[4:size])
        rest = rest[size:]
    capabilities = b" ".join(line.rstrip(b"\n").partition(b"\0")[2] for line in lists[0])
    updates = [_update(line.decode(errors="surrogateescape").rstrip("\n")) for line in lists[1]]
    return Push(updates, is_atomic=b"atomic" in capabilities.split())


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
