"""Numbers of rows in addresses."""

from __future__ import annotations

import pytest

from foundation.converters import RowId
from foundation.whole_numbers import INT64_MAX


def test_a_number_of_a_row_is_read_and_written() -> None:
    assert RowId().to_python(str(INT64_MAX)) == INT64_MAX
    assert RowId().to_url(7) == "7"


def test_a_number_that_no_row_has_is_no_route() -> None:
    with pytest.raises(ValueError, match="no row"):
        RowId().to_python(str(INT64_MAX + 1))
