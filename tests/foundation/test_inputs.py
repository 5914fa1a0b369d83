"""Lists and objects in the bodies of requests: bounded before they are read."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from foundation.inputs import BoundedDictField, BoundedListField


class Counting(serializers.CharField):
    """Counts the values that it looked at."""

    seen = 0

    def to_internal_value(self, data: Any) -> Any:
        Counting.seen += 1
        return super().to_internal_value(data)


class TestBoundedFields:
    """By their number of items, before any item is looked at: the work is counted, not timed."""

    @pytest.mark.parametrize(
        ("field", "small", "large"),
        [
            (BoundedListField(child=Counting(), max_length=3), ["a"] * 3, ["a"] * 4),
            (BoundedListField(child=Counting(), max_length=3), ["a"] * 3, [""] * 100_000),
            (
                BoundedDictField(child=Counting(), max_length=3),
                dict.fromkeys("abc", "a"),
                dict.fromkeys("abcd", "a"),
            ),
        ],
    )
    def test_refuse_more_than_they_take_without_looking(self, field: Any, small: Any, large: Any) -> None:
        Counting.seen = 0
        assert field.run_validation(small) == small
        assert Counting.seen == 3
        with pytest.raises(ValidationError) as refused:
            field.run_validation(large)
        assert Counting.seen == 3
        assert "no more than 3" in str(refused.value.detail)

    def test_are_those_of_every_body(self) -> None:
        """A list of the framework's with a bound would look at all items first; one without has no bound."""
        import_module("bazaar.urls")
        bodies = [kind for kind in subclasses(serializers.Serializer) if is_body(kind)]
        assert len(bodies) > 20
        for body in bodies:
            for name, field in body().fields.items():
                place = f"{body.__module__}.{body.__qualname__}.{name}"
                if isinstance(field, serializers.ListField):
                    assert isinstance(field, BoundedListField), place
                if isinstance(field, serializers.ListSerializer):
                    assert getattr(field, "max_length", None), place


def subclasses(kind: type) -> set[type]:
    found: set[type] = set(kind.__subclasses__())
    return found.union(*(subclasses(child) for child in found)) if found else found


def is_body(kind: type) -> bool:
    """True if one of our views parses bodies with this class, by its module, its name or its bases."""
    if not kind.__module__.startswith(("compute_market.", "hub.")):
        return False
    return (
        kind.__name__.endswith(("Body", "Change"))
        or kind.__name__.startswith("New")
        or kind.__name__ == "Mark"
    )
