"""The agent's threads: each repeats one step until the agent stops, and none can stop another."""

from __future__ import annotations

import contextlib
import sys
import threading
import unicodedata
from collections.abc import Callable

RETRY_S = 5.0
SAID_MAX = 500


class Loop(threading.Thread):
    """Repeats a step. The step returns how many seconds to wait before the next one.

    An exception of a step is logged and the step is tried again: a thread that died would go unnoticed.
    """

    def __init__(self, name: str, step: Callable[[], float], *, stopping: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self._step = step
        self._stopping = stopping
        self._nudged = threading.Event()

    def run(self) -> None:
        while not self._stopping.is_set():
            self._nudged.wait(self.once())
            self._nudged.clear()

    def nudge(self) -> None:
        """End the wait before the next step; after `stopping` was set, end the loop."""
        self._nudged.set()

    def once(self) -> float:
        """One step; the seconds to wait after it."""
        try:
            return self._step()
        except Exception as error:  # noqa: BLE001 - see the class
            say(f"{self.name}: {type(error).__name__}: {error}")
            return RETRY_S


def say(text: str) -> None:
    """Log a line. Text from others (names, commands) cannot break the line or control a terminal.

    A log that cannot be written (its disk is full, its reader is gone) loses lines and stops no thread.
    """
    with contextlib.suppress(OSError):
        sys.stderr.write(f"agent: {printable(text)[:SAID_MAX]}\n")
        sys.stderr.flush()


def printable(text: str) -> str:
    """The text with control, format and surrogate characters replaced, line ends included."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) in {"Cc", "Cf", "Cs"} else character
        for character in text
    )
