"""Named tuples made without the call of their type."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from foundation.rows import maker


class Fill(NamedTuple):
    order: int
    gpus: int
    reason: str = ""


make_fill = maker(Fill)


def test_made_rows_are_those_of_the_type() -> None:
    made = make_fill(gpus=8, order=42)
    assert type(made) is Fill
    assert made == Fill(order=42, gpus=8) == make_fill(42, 8)


def test_wrong_names_are_refused_as_by_the_type() -> None:
    with pytest.raises(TypeError, match="gpus"):
        make_fill(order=42)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="price"):
        make_fill(order=42, gpus=8, price=1)  # type: ignore[call-arg]
