"""Shows how far a long command is: a bar on a terminal, now and then a plain line in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import IO, Self, TypeVar, cast

from django.core.management.base import OutputWrapper

T = TypeVar("T")
BAR_WIDTH = 30
REDRAW_SECONDS = 0.1
LINE_SECONDS = 10.0


class Progress:
    """Counts steps out of a total. A context manager, which leaves one last line whatever happened.

    An interrupted command says how far it came, so that a person knows what a second run goes on from.
    """

    def __init__(self, what: str, *, total: int, stream: IO[str] | OutputWrapper | None = None) -> None:
        self.what = what
        self.total = total
        self.done = 0
        # A command's wrapper would end every write with a new line, and so break the bar.
        if isinstance(stream, OutputWrapper):
            stream = cast(IO[str], stream._out)  # noqa: SLF001
        self._stream = stream or sys.stderr
        self._is_bar = self._stream.isatty()
        self._started = self._shown = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ending = "" if error is None else ", stopped"
        seconds = time.monotonic() - self._started
        start = "\r\x1b[K" if self._is_bar else ""
        self._stream.write(
            f"{start}{self.what}: {self.done:,} of {self.total:,} in {seconds:.1f} s{ending}\n"
        )
        self._stream.flush()

    def advance(self, steps: int = 1) -> None:
        """Count, and show it if it was long enough ago that it was shown."""
        self.done += steps
        now = time.monotonic()
        if now - self._shown >= (REDRAW_SECONDS if self._is_bar else LINE_SECONDS):
            self._shown = now
            self._show(now)

    def track(self, items: Iterable[T]) -> Iterator[T]:
        """The items themselves; each is counted once the caller is done with it."""
        for item in items:
            yield item
            self.advance()

    def _show(self, now: float) -> None:
        share = min(self.done / self.total, 1.0) if self.total else 1.0
        left = (now - self._started) * (1 - share) / share if share else 0.0
        figures = f"{self.done:,} of {self.total:,} ({share:.0%}, {left:.0f} s left)"
        if self._is_bar:
            bar = "#" * round(share * BAR_WIDTH)
            self._stream.write(f"\r\x1b[K{self.what} [{bar:<{BAR_WIDTH}}] {figures}")
        else:
            self._stream.write(f"{self.what}: {figures}\n")
        self._stream.flush()
