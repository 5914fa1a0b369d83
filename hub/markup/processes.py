"""Renderer processes of this process: started when there is work, killed when a job takes too long."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from select import select
from typing import Any

import hub
from hub.markup.renderer import read_message, write_message

log = logging.getLogger(__name__)

# Renderers of one web process, and how long a caller waits for one that is free.
PROCESSES_MAX = 2
WAIT_SECONDS = 5.0
# Processor time of one text, and of all texts of one call.
TEXT_SECONDS = 1.0
CALL_SECONDS = 3.0
# A renderer that does not answer for so long is ended, even if it has processor time left.
SILENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """`html` is None where the text could not be rendered; `is_final` says that it never will be."""

    html: str | None
    is_final: bool


BUSY = Outcome(None, is_final=False)
TOO_SLOW = Outcome(None, is_final=True)


class _Renderer:
    """One child process and its two pipes."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hub.markup.renderer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            # It needs to find this code and nothing else: no key, address or password is in its environment.
            env={"PYTHONPATH": os.pathsep.join([str(Path(hub.__path__[0]).parent), *_site_folders()])},
            start_new_session=True,
        )

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def run(self, job: dict[str, Any], *, seconds: float) -> dict[str, Any] | None:
        """The renderer's answer; None when it ended, which is what happens after `seconds` of work."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            write_message(self._process.stdin, {"job": job, "seconds": seconds})
            if not select([self._process.stdout], [], [], SILENCE_SECONDS)[0]:
                return None
            found: dict[str, Any] | None = read_message(self._process.stdout)
        except OSError:
            return None
        return found

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()


class Renderers:
    """At most `PROCESSES_MAX` renderers; each is used by one caller at a time."""

    def __init__(self) -> None:
        self._free = threading.BoundedSemaphore(PROCESSES_MAX)
        self._lock = threading.Lock()
        self._idle: list[_Renderer] = []

    def run(self, jobs: Sequence[dict[str, Any]]) -> list[Outcome]:
        """The outcome of each job, in order. Never raises for what a text does to the renderer."""
        if not self._free.acquire(timeout=WAIT_SECONDS):
            log.warning("renderers_busy jobs=%d", len(jobs))
            return [BUSY] * len(jobs)
        try:
            return self._run(jobs)
        finally:
            self._free.release()

    def _run(self, jobs: Sequence[dict[str, Any]]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        left = CALL_SECONDS
        renderer: _Renderer | None = None
        try:
            for job in jobs:
                if left <= 0:
                    outcomes.append(BUSY)
                    continue
                renderer = renderer or self._take()
                seconds = min(left, TEXT_SECONDS)
                answer = renderer.run(job, seconds=seconds)
                if answer is None:
                    renderer.end()
                    renderer, left = None, left - seconds
                    log.warning("render_too_slow kind=%s chars=%d", job["kind"], len(job["text"]))
                    # Less than its full time says nothing about a text.
                    outcomes.append(TOO_SLOW if seconds == TEXT_SECONDS else BUSY)
                    continue
                left -= answer["cpu_seconds"]
                if answer["error"]:
                    log.warning("render_failed kind=%s error=%s", job["kind"], answer["error"])
                outcomes.append(Outcome(answer["html"], is_final=True))
        except BaseException:
            if renderer is not None:
                renderer.end()
            raise
        if renderer is not None:
            with self._lock:
                self._idle.append(renderer)
        return outcomes

    def _take(self) -> _Renderer:
        """A renderer that waits for work, else a new one."""
        while True:
            with self._lock:
                renderer = self._idle.pop() if self._idle else None
            if renderer is None:
                return _Renderer()
            if renderer.is_alive:
                return renderer
            renderer.end()

    def end(self) -> None:
        """End the idle renderers; busy ones end with their caller."""
        with self._lock:
            idle, self._idle = self._idle, []
        for renderer in idle:
            renderer.end()

    def forget(self) -> None:
        """In a forked child: the parent's renderers are the parent's."""
        self.__init__()  # type: ignore[misc]


def _site_folders() -> list[str]:
    """The library paths of this process, which the child needs too."""
    return [folder for folder in sys.path if folder.endswith("site-packages")]


renderers = Renderers()
atexit.register(renderers.end)
os.register_at_fork(after_in_child=renderers.forget)
