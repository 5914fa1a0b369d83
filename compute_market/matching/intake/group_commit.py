"""Group commit: requests that arrive while one commits share the next commit.

The first caller does its work immediately, so a lone request does not wait. Callers that arrive meanwhile
queue. When it finishes, the first of those queued does the work of the whole queue in one go. The busier a
process is, the larger its groups are, and the less each request costs.
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
    """The item of one thread, and its answer when there is one."""

    __slots__ = ("answers", "called", "item", "leads")

    def __init__(self, item: T, *, leads: bool) -> None:
        self.item = item
        self.leads = leads
        self.answers: list[A] = []
        self.called = threading.Event()


class GroupCommit(Generic[T, A]):
    """`work` takes items, at most `most` at a time, and returns an answer for each, in their order.

    If it raises for a group, each item is tried again alone in the thread that brought it, so that only that
    thread gets its error. `work` must therefore leave nothing behind when it raises, or be safe to repeat.
    """

    def __init__(self, work: Callable[[Sequence[T]], Sequence[A]], *, most: int = 100) -> None:
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        self._waiting: deque[_Turn[T, A]] = deque()
        self._is_led = False

    def do(self, item: T) -> A:
        """The answer for an item. Raises: what `work` raises for this item alone."""
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
        """Do the work of all who wait, this thread's first, and let the next one lead."""
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
        except Exception as error:  # noqa: BLE001 - each item is tried again alone
            log.warning("group_commit_failed size=%d retry=one_by_one error=%r", len(group), error)
            return
        for turn, answer in zip(group, answers, strict=True):
            turn.answers = [answer]
