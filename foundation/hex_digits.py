"""Hashes and ids as texts of lower-case hex digits."""

from __future__ import annotations

import re

HEX_DIGITS = frozenset("0123456789abcdef")


def pattern(digits: int | str) -> str:
    """The regular expression of so many hex digits: 40, or `7,39` for a number between two."""
    return rf"[0-9a-f]{{{digits}}}"


# An object of git.
SHA1 = re.compile(pattern(40))
# A large object, a xorb, a chunk.
SHA256 = re.compile(pattern(64))
# The number of a row, as wires write ids.
ROW_ID = re.compile(pattern(24))


def row_id(number: int) -> str:
    """A row's number as 24 hex digits."""
    return f"{number:024x}"
