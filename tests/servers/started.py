"""`script/server` as a process of its own, whose lines are read as they come."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import psutil

from tests.servers.live import INHERITED
from tests.servers.remote import ROOT

PATIENCE_SECONDS = 180.0
MODULE = (sys.executable, "-m", "bazaar.server")


class StartedServer:
    """One run of the supervisor; its lines are read as they come."""

    def __init__(
        self,
        *words: str,
        program: tuple[str, ...] = MODULE,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
    ) -> None:
        """`env`: variables besides those that every client program is given."""
        self.process = subprocess.Popen(
            [*program, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd,
            env={**{name: os.environ[name] for name in INHERITED if name in os.environ}, **(env or {})},
        )
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                with self._changed:
                    self.lines.append(line.rstrip())
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def until(self, pattern: str, *, patience: float = PATIENCE_SECONDS) -> re.Match[str]:
        """The first line that matches, once it is printed. AssertionError after `patience` seconds."""
        found: re.Match[str] | None = None

        def looked() -> bool:
            nonlocal found
            found = next(filter(None, (re.search(pattern, line) for line in self.lines)), None)
            return found is not None or not self._reader.is_alive()

        with self._changed:
            self._changed.wait_for(looked, patience)
        assert found is not None, f"no {pattern!r} in:\n" + "\n".join(self.lines)
        return found

    @property
    def url(self) -> str:
        return self.until(r"Model Bazaar is at (http://\S+)").group(1)

    def children(self, word: str) -> list[psutil.Process]:
        """The direct children whose command line holds the word."""
        mine = psutil.Process(self.process.pid).children()
        return [child for child in mine if word in " ".join(child.cmdline())]

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        return code
