"""The times at which the supervisor starts a process again, and its messages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from bazaar.server.children import PAUSE_SECONDS_MAX, SETTLED_SECONDS, SOUND_SECONDS, Child, pause_after


def ended() -> subprocess.Popen[bytes]:
    """A process that has ended with code 3."""
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    process.wait()
    return process


def run_until_started(child: Child, now: float) -> float:
    """Tick at the moment at which it is to be started; gives that moment."""
    now = max(now, child.starts_at)
    child.tick(now)
    assert child.process is not None
    return now


class TestPauses:
    def test_grow_from_none_to_half_a_minute(self) -> None:
        assert [pause_after(falls) for falls in range(1, 9)] == [0, 1, 2, 4, 8, 16, 30, 30]
        assert pause_after(100_000) == PAUSE_SECONDS_MAX


class TestChild:
    def test_that_ends_again_and_again_is_started_again_and_again(self) -> None:
        child, now = Child("worker", ended), 100.0
        waited = []
        for falls in range(1, 51):
            started = run_until_started(child, now)
            waited.append(started - now)
            now = started + 1
            line = child.tick(now)
            assert line.startswith("worker ended with code 3")
            assert child.falls == falls
            assert line.count("\n") == 0
        assert waited[:4] == [0, 0, 1, 2]
        assert set(waited[10:]) == {PAUSE_SECONDS_MAX}
        assert "50 times in a row" in child.problem

    def test_is_not_started_before_its_pause_is_over(self) -> None:
        child = Child("worker", ended, falls=5)
        now = run_until_started(child, 10.0)
        child.tick(now + 1)
        assert child.starts_at == now + 1 + pause_after(6)
        assert child.tick(child.starts_at - 0.1) == ""
        assert child.process is None

    def test_that_ran_for_a_minute_begins_to_count_anew(self) -> None:
        child = Child("worker", ended, falls=5)
        now = run_until_started(child, 10.0)
        assert child.tick(now + SOUND_SECONDS) == "worker ended with code 3; starting it again."
        assert child.falls == 1

    @pytest.mark.parametrize("error", [OSError("no memory"), ValueError("a bad key")])
    def test_that_cannot_be_started_is_tried_again(self, error: Exception) -> None:
        def start() -> subprocess.Popen[bytes]:
            raise error

        child = Child("node", start)
        assert child.tick(5.0) == f"node could not be started ({error}); starting it again."
        assert "2 times in a row" in child.tick(child.starts_at)
        # Nothing of this child ran for a minute, however long the pauses are.
        assert "3 times in a row" in child.tick(child.starts_at + SOUND_SECONDS)


class TestProblem:
    @pytest.fixture
    def sleeper(self) -> Callable[[], subprocess.Popen[bytes]]:
        return lambda: subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)

    def test_is_there_until_the_child_is_ready(self, sleeper: Callable[[], subprocess.Popen[bytes]]) -> None:
        is_ready = False
        child = Child("web", sleeper, ready=lambda: is_ready, falls=3)
        now = run_until_started(child, 1.0)
        assert child.process is not None
        with child.process as process:
            assert child.tick(now + 500) == ""
            assert child.problem == "is starting"
            is_ready = True
            assert child.tick(now + 501) == "web is up again."
            assert child.problem == ""
            process.kill()

    def test_of_a_child_that_cannot_be_asked_is_over_when_it_has_run_for_a_moment(
        self, sleeper: Callable[[], subprocess.Popen[bytes]]
    ) -> None:
        child = Child("worker", sleeper, falls=3)
        now = run_until_started(child, 1.0)
        assert child.process is not None
        with child.process as process:
            child.tick(now + SETTLED_SECONDS / 2)
            assert child.problem
            child.tick(now + SETTLED_SECONDS)
            assert not child.problem
            process.kill()
