"""Long lists, cut into parts that one statement of SQL takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

# Names in one query, rows in one insert: below the number of parameters that SQLite takes.
BATCH = 500
Item = TypeVar("Item")


def batches(items: Iterable[Item], size: int = BATCH) -> Iterator[list[Item]]:
    """Lists of at most `size` items, in their order. The items are read as the lists are asked for."""
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch
