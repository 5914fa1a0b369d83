"""Group commit, without anything to commit: who works for whom, and what an error does."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from compute_market.matching.intake.group_commit import GroupCommit

POISON = 13


class Workshop:
    """Doubles numbers and records the groups. The first group waits for `go_on`."""

    def __init__(self, *, most: int = 100) -> None:
        self.groups: list[list[int]] = []
        self.threads: list[int] = []
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.group_commit = GroupCommit(self.work, most=most)

    def work(self, items: Sequence[int]) -> list[int]:
        self.groups.append(list(items))
        self.threads.append(threading.get_ident())
        if not self.begun.is_set():
            self.begun.set()
            assert self.go_on.wait(10)
        if POISON in items:
            raise ValueError("poison")
        return [2 * item for item in items]

    def run(self, *items: int) -> list[int | BaseException | None]:
        """The first item is being worked on while the others come, in their order; gives all outcomes."""
        with ThreadPoolExecutor(len(items)) as pool:
            futures: list[Future[int]] = []
            for number, item in enumerate(items):
                futures.append(pool.submit(self.group_commit.do, item))
                if number == 0:
                    assert self.begun.wait(10)
                else:
                    self.wait_for(number)
            self.go_on.set()
            return [future.exception(10) or future.result() for future in futures]

    def wait_for(self, count: int) -> None:
        """Until so many wait behind the first."""
        pause = threading.Event()
        for _ in range(1000):
            if len(self.group_commit._waiting) == count:
                return
            pause.wait(0.01)
        raise AssertionError(f"{len(self.group_commit._waiting)} wait, not {count}")


def words(outcomes: list[int | BaseException | None]) -> list[str]:
    return [str(outcome) for outcome in outcomes]


class TestGroupCommit:
    def test_does_a_lone_item_at_once_and_in_its_own_thread(self) -> None:
        shop = Workshop()
        shop.go_on.set()
        assert [shop.group_commit.do(1), shop.group_commit.do(2)] == [2, 4]
        assert (shop.groups, set(shop.threads)) == ([[1], [2]], {threading.get_ident()})

    def test_does_in_one_go_what_came_while_it_was_busy(self) -> None:
        shop = Workshop()
        assert shop.run(1, 2, 3, 4) == [2, 4, 6, 8]
        assert shop.groups == [[1], [2, 3, 4]]

    def test_does_no_more_at_once_than_it_may(self) -> None:
        shop = Workshop(most=2)
        assert shop.run(1, 2, 3, 4, 5, 6) == [2, 4, 6, 8, 10, 12]
        assert shop.groups == [[1], [2, 3], [4, 5], [6]]

    def test_goes_on_one_by_one_when_a_group_fails(self) -> None:
        shop = Workshop()
        assert words(shop.run(1, 2, POISON, 4)) == ["2", "4", "poison", "8"]
        assert shop.groups[:2] == [[1], [2, POISON, 4]]
        assert sorted(shop.groups[2:]) == [[2], [4], [POISON]]

    def test_goes_on_after_a_lone_failure(self) -> None:
        shop = Workshop()
        assert words(shop.run(POISON, 2, 3)) == ["poison", "4", "6"]
        assert shop.groups == [[POISON], [2, 3]]

    def test_leaves_nobody_waiting_when_a_thread_is_ended_in_the_middle(self) -> None:
        ended = False

        def work(items: Sequence[int]) -> list[int]:
            nonlocal ended
            if len(items) > 1 and not ended:
                ended = True
                raise SystemExit  # what ends a process that must go
            return shop.work(items)

        shop = Workshop()
        shop.group_commit._work = work
        first, *others = shop.run(1, 2, 3, 4)
        assert (first, sorted(words(others))) == (2, ["", "6", "8"])
        assert shop.group_commit.do(5) == 10

    def test_refuses_an_item_by_raising_for_it_alone(self) -> None:
        shop = Workshop()
        shop.go_on.set()
        with pytest.raises(ValueError, match="poison"):
            shop.group_commit.do(POISON)
        assert shop.group_commit.do(1) == 2
