"""Hashes and ids as hex digits."""

from __future__ import annotations

import re

import pytest

from foundation.hex_digits import ROW_ID, SHA1, SHA256, row_id


@pytest.mark.parametrize(("regex", "digits"), [(SHA1, 40), (SHA256, 64), (ROW_ID, 24)])
def test_a_hash_has_so_many_lower_case_digits(regex: re.Pattern[str], digits: int) -> None:
    assert regex.fullmatch("0a" * (digits // 2))
    for text in ("0" * (digits - 1), "0" * (digits + 1), "A" * digits, "0" * (digits - 1) + "g", ""):
        assert not regex.fullmatch(text)


def test_a_row_id_is_read_back() -> None:
    assert row_id(255) == "0000000000000000000000ff"
    assert int(row_id(2**63 - 1), 16) == 2**63 - 1
