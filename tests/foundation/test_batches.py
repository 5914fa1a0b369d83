"""Lists in parts."""

from __future__ import annotations

import pytest

from foundation.batches import BATCH, batches


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (BATCH, [BATCH]), (2 * BATCH + 1, [BATCH, BATCH, 1])]
)
def test_have_every_item_once_and_in_order(count: int, sizes: list[int]) -> None:
    found = list(batches(range(count)))
    assert [len(batch) for batch in found] == sizes
    assert [item for batch in found for item in batch] == list(range(count))


def test_are_read_as_they_are_asked_for() -> None:
    items = iter(range(10))
    assert next(batches(items, 3)) == [0, 1, 2]
    assert next(items) == 3
