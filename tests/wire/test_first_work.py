"""README's two minutes of the market, as README writes them, on a real first start."""

from __future__ import annotations

import re

import pytest

from tests.servers.first_work import FirstWork


@pytest.mark.timeout(900)
def test_a_newcomer_sees_the_output_of_a_program_on_this_machine() -> None:
    """The seconds of each step are `script/bench first_work`'s to judge: this machine may be busy."""
    newcomer = FirstWork()
    newcomer.run()
    # The processors that the program may use, as Python prints a set of them: one.
    assert re.fullmatch(r"\{\d+\}\n", newcomer.output)
    assert newcomer.told().count(" s  ") == 6
