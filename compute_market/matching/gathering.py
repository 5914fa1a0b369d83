"""Group commit: what several threads want at the same time is done by one of them, for all, in one go.

Whoever comes first does his own at once, so nobody waits for company. Who comes while he is at it waits until
he is done; then the first of those does the work of all who wait. The busier a process is, the larger its
groups, and the less each one costs.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
A = TypeVar("A")
log = logging.getLogger(__name__)


class _Turn(Generic[T, A]):
    """One thread's item, on its way to its answer."""

    __slots__ = ("answers", "called", "item", "leads")

    def __init__(self, item: T, *, leads: bool) -> None:
        self.item = item
        self.leads = leads
        self.answers: list[A] = []
        self.called = threading.Event()


class Gathering(Generic[T, A]):
    """`work` takes items and gives an answer for each, in their order; `most` items at a time.

    If it raises for a group, every one of the group is worked on alone, in its own thread: an error reaches
    nobody but whom it concerns. So `work` must leave nothing behind when it raises, or bear being repeated.
    """

    def __init__(self, work: Callable[[Sequence[T]], Sequence[A]], *, most: int = 100) -> None:
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        self._waiting: deque[_Turn[T, A]] = deque()
        self._is_led = False

    def do(self, item: T) -> A:
        """The answer for an item, from whoever works on it. Raises: what `work` raises for it alone."""
        with self._lock:
            turn = _Turn[T, A](item, leads=not self._is_led)
            self._is_led = True
            self._waiting.append(turn)
        if not turn.leads:
            turn.called.wait()
        if turn.leads:
            self._lead()
        return turn.answers[0] if turn.answers else self._work([item])[0]

    def _lead(self) -> None:
        """Work on all who wait, this thread first among them, and call the next one to lead."""
        with self._lock:
            group = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        try:
            if len(group) > 1:
                self._answer(group)
            else:
                group[0].answers = [self._work([group[0].item])[0]]
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._is_led = following is not None
            if following is not None:
                following.leads = True
                following.called.set()
            for turn in group[1:]:
                turn.called.set()

    def _answer(self, group: list[_Turn[T, A]]) -> None:
        try:
            answers = self._work([turn.item for turn in group])
        except Exception as error:  # noqa: BLE001 - each one of the group will meet its own
            log.warning("a group of %d goes on one by one: %r", len(group), error)
            return
        for turn, answer in zip(group, answers, strict=True):
            turn.answers = [answer]
