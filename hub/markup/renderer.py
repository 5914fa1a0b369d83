"""The renderer: a program of its own that turns untrusted text into HTML, one job after another.

Run as `python -m hub.markup.renderer`. A job comes on standard input, its HTML goes to standard output, each
as four bytes of length and that much JSON. The kernel ends the process when a job has used its processor
time (`SIGPROF`), wherever it is: no regular expression and no compiled library can put that off. It also
ends by itself when its input is closed or nothing comes for a while.
"""

from __future__ import annotations

import gc
import json
import resource
import select
import signal
import struct
import sys
import time
from typing import IO, Any

from hub.markup import code, markdown

IDLE_SECONDS = 120
MEMORY_BYTES_MAX = 1 << 30
HTML_CHARS_MAX = 4_000_000
HEAD = struct.Struct(">I")


def read_message(stream: IO[bytes]) -> Any:
    """The next message; None at the end of the stream."""
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    (length,) = HEAD.unpack(head)
    data = stream.read(length)
    return json.loads(data) if len(data) == length else None


def write_message(stream: IO[bytes], value: Any) -> None:
    data = json.dumps(value).encode()
    stream.write(HEAD.pack(len(data)) + data)
    stream.flush()


def html_of(job: dict[str, Any]) -> str:
    """The HTML of one job: `kind` is “markdown” or “code”, and the rest are that function's arguments."""
    if job["kind"] == "markdown":
        base = markdown.Base(pages=job["pages"], files=job["files"])
        return markdown.render(job["text"], base, mentions=job["mentions"])
    return code.coloured(job["text"], language=job["language"], filename=job["filename"])


def answer(job: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The `html`, None where it failed or became too large. After `seconds` the process ends."""
    started = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, seconds)
    error = ""
    html: str | None
    try:
        html = html_of(job)
    except Exception as failure:  # noqa: BLE001 - whatever a lexer or a plugin raises concerns this text alone
        html, error = None, repr(failure)[:300]
    signal.setitimer(signal.ITIMER_PROF, 0)
    if html is not None and len(html) > HTML_CHARS_MAX:
        html, error = None, "the HTML is too large"
    return {"html": html, "error": error, "cpu_seconds": time.process_time() - started}


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    source, target = sys.stdin.buffer, sys.stdout.buffer
    markdown.render("# warm *up*\n")
    # Garbage is collected between jobs, not in them: a large tree of tokens would be walked again and again.
    gc.collect()
    gc.freeze()
    gc.disable()
    while select.select([source], [], [], IDLE_SECONDS)[0]:
        message = read_message(source)
        if message is None:
            return
        write_message(target, answer(message["job"], message["seconds"]))
        gc.collect()


if __name__ == "__main__":
    main()
