"""Compares answers of the dialects with the structs that declare them.

`hub.api.structs` sends what a struct holds, whatever its type: only mypy and this comparison find a value
that its field does not declare. A JSON answer that is no declared answer fails too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from django.http import HttpResponseBase
from django.utils.functional import Promise
from msgspec import UNSET, UnsetType

from hub.api.structs import Answer, Answered, Ordered

DIALECTS = "hub.api."
# The hub's own API, whose answers `tests.described` compares.
NATIVE = "hub.api.native."


class AnswerUndeclared(AssertionError):
    """An answer of a dialect that is not what its struct declares."""


@cache
def _fields(answer: type[Answer]) -> dict[str, Any]:
    hints = get_type_hints(answer)
    return {name: hints[name] for name in answer.__struct_fields__}


def problem(value: Any, kind: Any, place: str = "") -> str | None:
    """The reason why a value is not a `kind`, the type of a field; None if it is one."""
    origin = get_origin(kind)
    if origin is Annotated:
        return problem(value, get_args(kind)[0], place)
    if origin in {Union, UnionType}:
        problems = [problem(value, each, place) for each in get_args(kind)]
        inner = [each for each in problems if each is not None and not each.startswith(f"{place}: ")]
        return None if None in problems else (inner or [_wrong(value, kind, place)])[0]
    if isinstance(value, Answer):
        if kind is Any or not (isinstance(kind, type) and isinstance(value, kind)):
            return _wrong(value, kind, place)
        named = _fields(type(value)).items()
        return _first(problem(getattr(value, name), each, f"{place}.{name}") for name, each in named)
    if origin in {list, Sequence} and isinstance(value, list):
        (each,) = get_args(kind)
        return _first(problem(item, each, f"{place}[{number}]") for number, item in enumerate(value))
    if origin in {dict, Mapping} and isinstance(value, dict):
        _, each = get_args(kind)
        pairs = value.items()
        return _first(
            problem(name, str, f"{place}.keys") or problem(item, each, f"{place}[{name}]")
            for name, item in pairs
        )
    return None if _is_plain(value, kind, origin) else _wrong(value, kind, place)


def _is_plain(value: Any, kind: Any, origin: Any) -> bool:
    """True if a value other than an answer, list or object has the type of a field."""
    if origin is Literal:
        return any(value == each and isinstance(value, type(each)) for each in get_args(kind))
    if kind is Any:
        return not isinstance(value, Answer) and value is not UNSET
    if kind is str:
        return isinstance(value, str | Promise)
    if kind in {int, float}:
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return kind in {bool, UnsetType, NoneType, None} and isinstance(value, kind or NoneType)


def _first(problems: Any) -> str | None:
    return next(filter(None, problems), None)


def _wrong(value: Any, kind: Any, place: str) -> str:
    return f"{place}: {str(value)[:100]!r} is no {kind}"


def require_declared(answer: Any, what: str) -> None:
    """Compare what `answer_with` is given with its declaration. Raises: AnswerUndeclared."""
    if isinstance(answer, Mapping):
        answer = [each for several in answer.values() for each in several]
    for each in answer if isinstance(answer, list | tuple) else [answer]:
        held = each.answer if isinstance(each, Ordered) else each
        if not isinstance(held, Answer):
            raise AnswerUndeclared(f"{what}: {type(held).__name__} is no declared answer")
        if found := problem(held, type(held), type(held).__name__):
            raise AnswerUndeclared(f"{what}: {found}")


def is_of_a_dialect(view: Any) -> bool:
    return str(view.__module__).startswith(DIALECTS) and not str(view.__module__).startswith(NATIVE)


def check(view: Any, response: HttpResponseBase, what: str) -> None:
    """Compare a response, if a dialect's view made it. Raises: AnswerUndeclared."""
    if not is_of_a_dialect(view) or "json" not in response.headers.get("Content-Type", ""):
        return
    if isinstance(response, Answered):
        require_declared(response.answer, what)
    elif not response.streaming:
        raise AnswerUndeclared(f"{what}: the JSON is of no declared answer")
