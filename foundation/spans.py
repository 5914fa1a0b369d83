"""Spans of traces: the time that a step of a request or task took.

Rooms and adapters mark their steps here. While tracing is off, which is the default, a step costs one call of
a function and no library of traces is imported. `bazaar.tracing` installs the tracer.

Attributes are numbers, yes or no, and words from closed sets. Names of repositories and files, addresses,
texts of users and parameters of SQL are never attributes (docs/operate/traces.md).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import ParamSpec, Protocol, TypeAlias, TypeVar

Attribute: TypeAlias = str | int | float | bool
Result = TypeVar("Result")
Words = ParamSpec("Words")


class Tracer(Protocol):
    """The form of the tracer that `bazaar.tracing` installs."""

    def begin(
        self, name: str, attributes: Mapping[str, Attribute], *, is_parent: bool
    ) -> AbstractContextManager[object]:
        """A span around a block."""

    def trace_id(self) -> str:
        """The id of the trace that this thread works for, as 32 hex digits; empty if there is none."""


_OFF = nullcontext()
_tracer: Tracer | None = None


def install(tracer: Tracer | None) -> None:
    """Use this tracer from now on in this process; None switches spans off."""
    global _tracer  # noqa: PLW0603 - one a process
    _tracer = tracer


def span(name: str, *, is_parent: bool = True, **attributes: Attribute) -> AbstractContextManager[object]:
    """The block of code below `with` as a span.

    With `is_parent` spans that begin in the block are below it. A generator, which is left in the middle of
    the block, must say no: its caller's next steps would be below it.
    """
    return _OFF if _tracer is None else _tracer.begin(name, attributes, is_parent=is_parent)


def traced(name: str) -> Callable[[Callable[Words, Result]], Callable[Words, Result]]:
    """The decorator form, for functions that are no generators."""

    def decorated(function: Callable[Words, Result]) -> Callable[Words, Result]:
        @functools.wraps(function)
        def run(*args: Words.args, **kwargs: Words.kwargs) -> Result:
            if _tracer is None:
                return function(*args, **kwargs)
            with _tracer.begin(name, {}, is_parent=True):
                return function(*args, **kwargs)

        return run

    return decorated


def trace_id() -> str:
    """The id of the present trace, for lines of the log; empty if tracing is off."""
    return "" if _tracer is None else _tracer.trace_id()
