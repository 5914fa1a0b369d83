"""Serving a repository to git itself: `git upload-pack` and `git receive-pack`, one process a request.

Before receive-pack moves any ref it runs a hook, a few lines of shell that ask the thread which
started it, over two named pipes, whether the refs may move. The objects that came wait in a
quarantine folder until then.
"""

from __future__ import annotations

import os
import re
import secrets
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal

from django.conf import settings
from prometheus_client import Summary

from foundation import temporary_files
from foundation.errors import Unavailable
from hub.gitstore.folders import folder_of

Service = Literal["git-upload-pack", "git-receive-pack"]
NULL_SHA = "0" * 40
CHUNK_BYTES = 64 * 1024
# A line of the protocol has its length in four hexadecimal digits.
LINE_BYTES_MAX = 0xFFFF
# Output of git besides the pack: progress, and the results for refs; at most so many bytes.
REPORT_BYTES_MAX = 4 * 1024 * 1024
# A few bytes of a pack can expand to gigabytes. So git ends if it would allocate memory for a larger object,
# or if a push takes more processor time than this plus a second for each MiB sent.
ALLOCATION_BYTES_MIN = 512 * 1024 * 1024
PUSH_SECONDS_MIN = 60
GIT_SECONDS = Summary("bazaar_git_seconds", "Time that git processes served a client.", ["service"])
PROTOCOL = re.compile(r"[a-z0-9]+=[a-z0-9]+(?::[a-z0-9]+=[a-z0-9]+){0,7}")
HOOKS = ("pre-receive", "post-receive")
HOOK = """\
#!/bin/sh
# Asks the hub, which started this git, whether the refs on standard input may move (pre-receive), or
# tells it that they have moved (post-receive). The answer is lines to print, then "ok" or "refused".
if [ -z "$BAZAAR_ASK" ]; then
    echo "This repository is written through its hub only." >&2
    exit 1
fi
# Should the hub die, asking it and reading its answer end, and so does this. Opening a pipe of a dead hub
# would wait for ever, so each is opened both ways first, which never waits.
exec 5<> "$BAZAAR_ANSWER" 6<> "$BAZAAR_ASK"
exec 3< "$BAZAAR_ANSWER" 4> "$BAZAAR_ASK" 5>&- 6>&-
{ echo "${0##*/}"; echo "$GIT_QUARANTINE_PATH"; cat; echo end; } >&4
exec 4>&-
while IFS= read -r line; do
    case "$line" in
        ok) exit 0 ;;
        refused) exit 1 ;;
        *) printf '%s\\n' "$line" >&2 ;;
    esac
done <&3
exit 1
"""
# Old histories have these. They are harmless, and refusing them would only keep such repositories out. Of
# `badFilemode` the hub refuses what nobody could read (`hub/revisions/pushes.py`).
TOLERATED = (
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "missingEmail",
    "missingNameBeforeEmail",
    "badEmail",
    "badTimezone",
    "zeroPaddedFilemode",
    "badFilemode",
    "missingTaggerEntry",
    "gitmodulesParse",
)


class GitFailed(Unavailable):
    """git could not be started, or ended without an answer."""

    code = "git_failed"
    message = "git did not answer. The hub's log says more."


@dataclass(frozen=True, slots=True)
class RefChange:
    """One ref that a push moves. `old` is None when it comes to be, `new` when it goes."""

    ref: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Push:
    """The request of a push. `objects` is the folder in which its new objects wait, if it brought any."""

    changes: list[RefChange]
    objects: Path | None


Decide = Callable[[Push], Sequence[str]]
Record = Callable[[list[RefChange]], None]


def advertise(storage: str, service: Service, *, protocol: str) -> bytes:
    """The refs and capabilities with which a fetch or push begins. Raises: GitFailed."""
    # In protocol 2 a fetch begins with capabilities alone, and without the line that names the service.
    head = b"" if service == "git-upload-pack" and "version=2" in protocol else _banner(service)
    done = subprocess.run(  # noqa: S603 - our own arguments
        [*_git(service), "--stateless-rpc", "--advertise-refs", folder_of(storage)],
        env=environment(protocol),
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise GitFailed from RuntimeError(done.stderr.decode(errors="replace")[:1000])
    return head + done.stdout


def upload_pack(storage: str, request: BinaryIO, *, protocol: str) -> Iterator[bytes]:
    """Git's answer to a fetch, as a stream. `request` is a file that git reads by itself.

    Closing the stream ends git.
    """
    with _running("git-upload-pack", storage, request, environment(protocol)) as process:
        assert process.stdout is not None
        while chunk := os.read(process.stdout.fileno(), CHUNK_BYTES):
            yield chunk


def receive_pack(
    storage: str, request: BinaryIO, *, protocol: str, decide: Decide, record: Record
) -> Iterator[bytes]:
    """Receive a push; git's answer is streamed.

    `decide` is called once before any ref moves and returns reasons to refuse, each a line for people; none
    means yes. `record` is called with the refs that have moved. Only then does the client learn that they
    have: what git says after the decision is held back until `record` returns. A pack that costs more memory
    or processor time than its size allows is refused by git itself.
    """
    seconds = PUSH_SECONDS_MIN + os.fstat(request.fileno()).st_size // 2**20
    with _pipes() as (folder, ask, answer):
        pipes = {
            "BAZAAR_ASK": str(folder / "ask"),
            "BAZAAR_ANSWER": str(folder / "answer"),
        }
        variables = environment(protocol) | pipes | {"GIT_ALLOC_LIMIT": str(_allocation_bytes_max())}
        with _running("git-receive-pack", storage, request, variables, seconds=seconds) as process:
            assert process.stdout is not None
            output = process.stdout.fileno()
            poll = select.poll()
            poll.register(output, select.POLLIN)
            poll.register(ask, select.POLLIN)
            question, held, is_decided = b"", b"", False
            while True:
                ready = {descriptor for descriptor, _ in poll.poll()}
                if ask in ready:
                    question += os.read(ask, CHUNK_BYTES)
                    if question.endswith(b"\nend\n"):
                        hook, push = _parse(question)
                        question = b""
                        is_decided = True
                        reasons: Sequence[str] = ()
                        if hook == "pre-receive":
                            reasons = decide(push)
                        else:
                            record(push.changes)
                        os.write(answer, _verdict(reasons))
                    continue
                chunk = os.read(output, CHUNK_BYTES)
                if not chunk:
                    break
                if is_decided and len(held) < REPORT_BYTES_MAX:
                    held += chunk
                else:
                    yield chunk
            process.wait()
        if held:
            yield held


def asks_for_more_changes_than(limit: int, request: BinaryIO) -> bool:
    """True if a push names more than so many refs. Reads the lines before the pack and leaves the position
    unchanged.

    Input of another form is left for git to refuse.
    """
    descriptor, buffer, at, read = request.fileno(), b"", 0, 0
    for _ in range(limit + 1):
        if len(buffer) - at < LINE_BYTES_MAX:
            piece = os.pread(descriptor, CHUNK_BYTES, read)
            buffer, at, read = buffer[at:] + piece, 0, read + len(piece)
        try:
            size = int(buffer[at : at + 4], 16)
        except ValueError:
            return False
        if size <= 4:  # the end of the list, or an empty line
            return False
        at += size
    return at <= len(buffer)


def refused_push(reason: str) -> Iterator[bytes]:
    """The answer to a push that is refused as a whole, in git's format, with a text for people.

    Every git since 1.7 asks for the two side bands that this uses. Git does not show the body of any status
    but 200.
    """
    report = _line(f"unpack {reason}\n".encode()) + b"0000"
    yield _line(b"\2" + f"error: {reason}\n".encode())
    yield _line(b"\1" + report) + b"0000"


def _line(data: bytes) -> bytes:
    return b"%04x%s" % (len(data) + 4, data)


def _verdict(reasons: Sequence[str]) -> bytes:
    """Lines for the hook. A reason is one line, so that it cannot be taken for the verdict."""
    lines = [f"error: {' '.join(reason.split())}"[:2000] for reason in reasons[:20]]
    return "\n".join([*lines, "refused" if reasons else "ok", ""]).encode()


def _parse(question: bytes) -> tuple[str, Push]:
    hook, objects, *lines = question.decode(errors="replace").removesuffix("\nend\n").split("\n")
    changes = []
    for line in lines:
        old, new, ref = line.split(" ", 2)
        changes.append(RefChange(ref, None if old == NULL_SHA else old, None if new == NULL_SHA else new))
    return hook, Push(changes, Path(objects) if objects else None)


def _banner(service: str) -> bytes:
    line = f"# service={service}\n"
    return f"{len(line) + 4:04x}{line}0000".encode()


@contextmanager
def _pipes() -> Iterator[tuple[Path, int, int]]:
    """Two named pipes in a folder of their own, both held open so that neither side ever waits to open."""
    folder = Path(tempfile.mkdtemp(prefix="push-", dir=temporary_files.folder()))
    descriptors = []
    try:
        for name in ("ask", "answer"):
            os.mkfifo(folder / name, 0o600)
            descriptors.append(os.open(folder / name, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
        yield folder, descriptors[0], descriptors[1]
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(
    service: Service,
    storage: str,
    request: BinaryIO,
    variables: dict[str, str],
    *,
    seconds: int | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A git process. The kernel ends it, and each that it starts, after so many seconds of processor time."""
    # The shell sets the limit before git begins, and becomes git.
    limit = [] if seconds is None else ["/bin/sh", "-c", 'ulimit -t "$0" && exec "$@"', str(seconds)]
    process = subprocess.Popen(  # noqa: S603 - our own arguments
        [*limit, *_git(service), "--stateless-rpc", folder_of(storage)],
        stdin=request,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        env=variables,
    )
    began = time.perf_counter()
    try:
        yield process
    finally:
        assert process.stdout is not None
        GIT_SECONDS.labels(service).observe(time.perf_counter() - began)
        process.stdout.close()
        if process.poll() is None:
            # A push that was not decided leaves its quarantine; git removes it on this signal.
            process.terminate()
        process.wait()


def _git(service: Service) -> list[str]:
    command = service.removeprefix("git-")
    options = {
        "safe.directory": "*",
        "core.hooksPath": str(_hooks()),
        "gc.auto": "0",
    }
    if service == "git-upload-pack":
        options |= {
            "uploadpack.allowFilter": "true",
            # The one filter whose cost a client chooses, by patterns.
            "uploadpackfilter.sparse:oid.allow": "false",
            "uploadpack.allowAnySHA1InWant": "true",
        }
    else:
        options |= {
            # Told "done" means on disk: packs, indexes, refs.
            "core.fsync": "all",
            "core.fsyncMethod": "fsync",
            "receive.fsckObjects": "true",
            **{f"receive.fsck.{name}": "ignore" for name in TOLERATED},
            # Blobs beyond it are hashed piece by piece and refused later, with their names.
            "core.bigFileThreshold": str(max(16 * 1024 * 1024, settings.LFS_THRESHOLD_BYTES)),
            # Each thread would hold objects of its own.
            "pack.threads": "1",
            "receive.unpackLimit": "1",
            "receive.maxInputSize": str(settings.GIT_PUSH_BYTES_MAX),
            "receive.autogc": "false",
            "receive.denyDeletes": "false",
            "receive.denyNonFastForwards": "false",
            "receive.denyDeleteCurrent": "ignore",
            "receive.denyCurrentBranch": "ignore",
            "receive.advertisePushOptions": "false",
        }
    return ["git", *(word for pair in options.items() for word in ("-c", "=".join(pair))), command]


def _allocation_bytes_max() -> int:
    """The memory that git may allocate at one time: for an unpacked object, or for its table of objects."""
    return max(ALLOCATION_BYTES_MIN, 2 * settings.LFS_THRESHOLD_BYTES)


def environment(protocol: str) -> dict[str, str]:
    """The environment of git: no configuration, home or language of the user who runs the server."""
    variables = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "TMPDIR": str(settings.TEMP_ROOT),
    }
    if PROTOCOL.fullmatch(protocol):
        variables["GIT_PROTOCOL"] = protocol
    return variables


def _hooks() -> Path:
    return _write_hooks(str(settings.TEMP_ROOT))


@lru_cache(maxsize=8)
def _write_hooks(root: str) -> Path:
    """Write the one folder of hooks that all repositories share; git would pass over a missing one.

    Raises: GitFailed where the folder's file system lets nothing run.
    """
    folder = Path(root).parent / "hooks"
    folder.mkdir(parents=True, exist_ok=True)
    for name in HOOKS:
        building = folder / f".{name}.{secrets.token_hex(4)}"
        building.write_text(HOOK)
        building.chmod(0o755)
        building.replace(folder / name)
        if not os.access(folder / name, os.X_OK):
            raise GitFailed from PermissionError(f"{folder / name} cannot be run (mounted noexec?)")
    return folder
