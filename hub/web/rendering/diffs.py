"""A unified diff as rows of a table."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hub.gitstore.diffs import text_patch

_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
ROWS_MAX = 1_500


@dataclass(frozen=True, slots=True)
class Row:
    """`kind` is add, del, hunk or same; line numbers are 0 where the side has no such line."""

    kind: str
    old: int
    new: int
    text: str


def rows(patch: str) -> tuple[list[Row], bool]:
    """The rows of one file's patch, and whether there were more than are given."""
    found: list[Row] = []
    old = new = 0
    in_hunk = False
    for line in patch.splitlines():
        if len(found) >= ROWS_MAX:
            return found, True
        if match := _HUNK.match(line):
            old, new, in_hunk = int(match[1]), int(match[2]), True
            found.append(Row("hunk", 0, 0, line[:500]))
        elif not in_hunk or line.startswith("\\"):
            continue
        elif line.startswith("+"):
            found.append(Row("add", 0, new, line[1:2000]))
            new += 1
        elif line.startswith("-"):
            found.append(Row("del", old, 0, line[1:2000]))
            old += 1
        else:
            found.append(Row("same", old, new, line[1:2000]))
            old, new = old + 1, new + 1
    return found, False


def between(old: str, new: str) -> list[Row]:
    """The differences between two texts."""
    return rows(text_patch(old, new))[0]
