"""The one way for a test to wait: until something is so, and not for some time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 60
PAUSE_SECONDS = 0.02


def until(
    look: Callable[[], T | None],
    *,
    what: Callable[[], object] = lambda: "",
    patience_s: float = PATIENCE_SECONDS,
    pause_s: float = PAUSE_SECONDS,
) -> T:
    """Look again and again until the answer is true, and give it.

    Raises: AssertionError with `what()` if it is not true in time.
    """
    deadline = time.monotonic() + patience_s
    while not (seen := look()):
        assert time.monotonic() < deadline, what() or f"waited for {patience_s} s: {seen!r}"
        time.sleep(pause_s)
    return seen


def pause(seconds: float) -> None:
    """Do nothing for a time, where time itself is what is tested: a slow peer, a moment drawn by chance."""
    time.sleep(seconds)
