"""Waiting for something ends when it is so, and fails when it is not."""

from __future__ import annotations

import pytest

from tests.waiting import until


class TestUntil:
    def test_gives_the_first_true_answer(self) -> None:
        answers = iter([0, "", None, "here", "later"])
        assert until(lambda: next(answers), pause_s=0) == "here"

    def test_fails_with_what_it_waited_for(self) -> None:
        with pytest.raises(AssertionError, match="the moon"):
            until(lambda: False, what=lambda: "the moon", patience_s=0)
