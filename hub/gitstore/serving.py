"""Serving a repository to git itself: `git upload-pack` and `git receive-pack`, one process a request.

receive-pack takes in the objects of a push and moves no ref. Its hooks (`hub.gitstore.hooks`) ask the thread
that started it whether the push is let in, and then to move the refs.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import BinaryIO, Literal

from django.conf import settings
from prometheus_client import Summary

from foundation import spans
from hub.gitstore import fronts, hooks
from hub.gitstore.errors import GitFailed
from hub.gitstore.hooks import Decide, Move
from hub.gitstore.paths import REF_BYTES_MAX

Service = Literal["git-upload-pack", "git-receive-pack"]
CHUNK_BYTES = 64 * 1024
# A line of the protocol has its length in four hexadecimal digits.
LINE_BYTES_MAX = 0xFFFF
# A command of a push: two object ids and a ref.
COMMAND_BYTES_MAX = 2 * 41 + REF_BYTES_MAX
CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
# A few bytes of a pack can expand to gigabytes. So git ends if it would allocate memory for a larger object,
# or if a push takes more processor time than this plus a second for each MiB sent.
ALLOCATION_BYTES_MIN = 512 * 1024 * 1024
PUSH_SECONDS_MIN = 60
# It is waited for so many times as long, on a busy machine or a slow disk.
WAIT_FACTOR = 10
GIT_SECONDS = Summary("bazaar_git_seconds", "Time that git processes served a client.", ["service"])
PROTOCOL = re.compile(r"[a-z0-9]+=[a-z0-9]+(?::[a-z0-9]+=[a-z0-9]+){0,7}")
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


def advertise(storage: str, service: Service, *, protocol: str) -> bytes:
    """The refs and capabilities with which a fetch or push begins. Raises: GitFailed."""
    # In protocol 2 a fetch begins with capabilities alone, and without the line that names the service.
    head = b"" if service == "git-upload-pack" and "version=2" in protocol else _banner(service)
    with spans.span("git.process", command=f"{service} --advertise-refs"):
        done = subprocess.run(  # noqa: S603 - our own arguments
            [*_git(service), "--stateless-rpc", "--advertise-refs", fronts.front_of(storage)],
            env=environment(protocol) | fronts.variables_of(storage),
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
    storage: str, request: BinaryIO, *, protocol: str, decide: Decide, move: Move
) -> Iterator[bytes]:
    """Receive a push; git's answer is streamed. Git takes the objects in, and `move` moves the refs.

    `decide` is called once, with the objects in quarantine, and returns reasons to refuse, each a line for
    people; none means yes. `move` is then called with the refs to move and with whether it is all or none;
    it returns the refs that did not move and why. Only then does the client learn the results. A pack that
    costs more memory or processor time than its size allows is refused by git itself.
    Raises: GitFailed when git hangs.
    """
    seconds = PUSH_SECONDS_MIN + os.fstat(request.fileno()).st_size // 2**20
    with hooks.conversation(decide, move, seconds=WAIT_FACTOR * seconds) as talk:
        variables = environment(protocol) | talk.variables
        variables["GIT_ALLOC_LIMIT"] = str(_allocation_bytes_max())
        with _running("git-receive-pack", storage, request, variables, seconds=seconds) as process:
            assert process.stdout is not None
            output = process.stdout.fileno()
            while talk.goes_on_until_readable(output):
                chunk = os.read(output, CHUNK_BYTES)
                if not chunk:
                    break
                yield chunk
            process.wait()


def asks_for_more_changes_than(limit: int, request: BinaryIO) -> bool:
    """True if a push names more than so many refs. Reads the lines before the pack and leaves the position
    unchanged.

    Input of another form is left for git to refuse.
    """
    return any(True for _ in islice(_lines_of(request), limit, None))


def names_unusable_ref(request: BinaryIO) -> bool:
    """True if a push names a ref with a control character or of more than REF_BYTES_MAX bytes.

    git would pass such a name on to its hooks. A signed push counts as one, too: the hub does not offer it,
    and git joins its lines to one text. Leaves the position unchanged.
    """
    for line in _lines_of(request):
        command = line.partition(b"\0")[0].removesuffix(b"\n")
        if command == b"push-cert" or len(command) > COMMAND_BYTES_MAX or CONTROL.search(command):
            return True
    return False


def _lines_of(request: BinaryIO) -> Iterator[bytes]:
    """The lines before the pack of a push, up to the first that is not whole or of another form."""
    descriptor, buffer, at, read = request.fileno(), b"", 0, 0
    while True:
        if len(buffer) - at < LINE_BYTES_MAX:
            piece = os.pread(descriptor, CHUNK_BYTES, read)
            buffer, at, read = buffer[at:] + piece, 0, read + len(piece)
        try:
            size = int(buffer[at : at + 4], 16)
        except ValueError:
            return
        if size <= 4 or at + size > len(buffer):  # the end of the list, an empty line, or a cut one
            return
        yield buffer[at + 4 : at + size]
        at += size


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


def _banner(service: str) -> bytes:
    line = f"# service={service}\n"
    return f"{len(line) + 4:04x}{line}0000".encode()


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
        [*limit, *_git(service), "--stateless-rpc", fronts.front_of(storage)],
        stdin=request,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        env=variables | fronts.variables_of(storage),
    )
    began = time.perf_counter()
    try:
        with spans.span("git.process", is_parent=False, command=service):
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
        "core.hooksPath": str(hooks.folder()),
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
            # The hook moves all refs; git moves none.
            "receive.procReceiveRefs": "refs",
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
