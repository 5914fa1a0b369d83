"""Variables of the environment, read and checked by the library `environs`. Needs no Django.

A variable may name a file that holds its value: `BAZAAR_SECRET_KEY_FILE` in place of `BAZAAR_SECRET_KEY`.
The file counts if both are set.

A value that cannot be used raises `VariableInvalid`, whose text is one sentence that names the variable.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar
from urllib.parse import SplitResult, urlsplit

from environs import EnvValidationError, FileAwareEnv, validate
from marshmallow import fields, missing

Result = TypeVar("Result")
Words = ParamSpec("Words")


class VariableInvalid(ValueError):
    """A variable of the environment has a value that cannot be used."""


class _Number(fields.Integer):
    default_error_messages = {"invalid": "must be a whole number"}

    def deserialize(self, value: Any, *arguments: Any, **named: Any) -> Any:
        return super().deserialize(_given(value), *arguments, **named)


class _Flag(fields.Boolean):
    default_error_messages = {"invalid": "must be yes or no"}

    def __init__(self, **named: Any) -> None:
        words = ({"1", "true", "yes", "on"}, {"0", "false", "no", "off"})
        super().__init__(truthy=words[0], falsy=words[1], **named)

    def deserialize(self, value: Any, *arguments: Any, **named: Any) -> Any:
        return super().deserialize(_given(value.lower()), *arguments, **named)


_env = FileAwareEnv(strip_whitespace=True)
_env.add_parser_from_field("number", _Number)
_env.add_parser_from_field("flag", _Flag)


def flag(name: str, *, default: bool = False) -> bool:
    """A yes/no variable; one that is empty counts as not set. Raises: VariableInvalid for any other word."""
    return bool(_checked("flag", name, default))


def integer(name: str, *, default: int, at_least: int = 0) -> int:
    """A whole number; a variable that is empty counts as not set. Raises: VariableInvalid."""
    bound = validate.Range(min=at_least, error=f"must be at least {at_least}")
    return int(_checked("number", name, default, validate=bound))


def text(name: str, *, default: str = "") -> str:
    """A text as it is given, which may be empty."""
    return str(_checked("str", name, default))


def choice(name: str, choices: Iterable[str], *, default: str) -> str:
    """One of some words, in capitals; a variable that is empty counts as not set. Raises: VariableInvalid."""
    word = text(name).strip().upper() or default
    if word not in choices:
        raise VariableInvalid(f"{name} must be one of {', '.join(choices)}, not {text(name)!r}.")
    return word


def words(name: str, *, default: str = "") -> list[str]:
    """A list whose items are separated by commas; white space and empty items are left out."""
    items: list[str] = _checked("list", name, default.split(","))
    return [item.strip() for item in items if item.strip()]


def split_address(name: str, url: str, *, has_one_host: bool = True) -> SplitResult:
    """The parts of the address that a variable gives; `port` of the result does not raise if it has one host.

    Raises: VariableInvalid, without any part of the address: it may hold a password.
    """
    try:
        parts = urlsplit(url)
        if has_one_host:
            _ = parts.port
    except ValueError:
        raise VariableInvalid(
            f"{name} is no address such as scheme://user:password@host:5432/path. In a password write / # ? "
            "@ and : as %2F %23 %3F %40 and %3A."
        ) from None
    return parts


def told_in_a_sentence(main: Callable[Words, Result]) -> Callable[Words, Result]:
    """Have a program end with status 2 and the sentence of a VariableInvalid, in place of a traceback."""

    @functools.wraps(main)
    def run(*args: Words.args, **kwargs: Words.kwargs) -> Result:
        try:
            return main(*args, **kwargs)
        except VariableInvalid as error:
            sys.stderr.write(f"{error}\n")
            raise SystemExit(2) from None

    return run


def _given(value: str) -> Any:
    """The value without white space around it; `missing` means the default."""
    return value.strip() or missing


def _checked(parser: str, name: str, default: Any, **named: Any) -> Any:
    try:
        return getattr(_env, parser)(name, default, **named)
    except EnvValidationError as error:
        problems = error.error_messages
        problem = problems[0] if isinstance(problems, list) else str(problems)
        given = os.environ.get(name)
        told = f"{name} {problem}, not {given.strip()!r}." if given else f"{name}_FILE: the text {problem}."
        raise VariableInvalid(told) from None
    except (ValueError, OSError):
        # The error names the file alone: its content may be a secret.
        path = os.environ.get(f"{name}_FILE")
        raise VariableInvalid(f"{name}_FILE must name a readable file of text, not {path!r}.") from None
