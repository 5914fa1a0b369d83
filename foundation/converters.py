"""URL converters that every house uses."""

from __future__ import annotations

from django.urls import register_converter

from foundation.whole_numbers import whole_number


class RowId:
    """The number of a database row. A number that no row can have is no route: 404, and never an overflow."""

    regex = "[0-9]+"

    def to_python(self, value: str) -> int:
        """Raises: ValueError, by which Django goes on to the next route."""
        found = whole_number(value)
        if found is None:
            raise ValueError("no row has this number")
        return found

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(RowId, "row_id")
