"""One terminal for several processes: every line begins with the name of its process."""

from __future__ import annotations

import os
import sys
import threading
from typing import IO

WIDTH = 7
COLOURS = {"web": 36, "tunnels": 34, "worker": 33, "beat": 35, "redis": 31, "bazaar": 32}


class Console:
    """Writes whole lines, one writer at a time."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stdout
        self._lock = threading.Lock()
        self.is_coloured = self._stream.isatty() and "NO_COLOR" not in os.environ

    def say(self, text: str, *, name: str = "bazaar") -> None:
        """Print each line of the text after the name of its process."""
        prefix = f"{name:<{WIDTH}} |"
        if self.is_coloured:
            prefix = f"\x1b[{COLOURS.get(name, 37)}m{prefix}\x1b[0m"
        with self._lock:
            for line in text.splitlines():
                self._stream.write(f"{prefix} {line}\n")
            self._stream.flush()

    def pass_on(self, pipe: IO[bytes], *, name: str) -> threading.Thread:
        """Print the lines from the pipe until its other end is closed."""

        def copy() -> None:
            with pipe:
                for line in pipe:
                    self.say(line.decode(errors="replace").rstrip(), name=name)

        thread = threading.Thread(target=copy, name=f"console-{name}", daemon=True)
        thread.start()
        return thread
