"""Texts that a database cannot hold: PostgreSQL has no NUL, and lone surrogates have no form in UTF-8.

No row has such a text, so nothing can be found by it and it cannot be stored. The drivers raise errors of
their own for it, before they send the statement. They become one refusal here, for statements of all rooms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from django.db import DataError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.utils.translation import gettext_lazy as _

from foundation.errors import Invalid


class UnstorableText(Invalid):
    """A text of the request has NUL characters or lone surrogates."""

    code = "unstorable_text"
    message = _("A text of the request has characters that cannot be stored.")


def is_storable(text: str) -> bool:
    """True if a database can hold this text."""
    if text.isascii():
        return "\0" not in text
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def install() -> None:
    """Watch the statements of each connection that is opened from now on."""
    connection_created.connect(_watch, dispatch_uid="foundation.stored_texts")


def _watch(connection: BaseDatabaseWrapper, **_: object) -> None:
    if _refuse_unstorable not in connection.execute_wrappers:
        connection.execute_wrappers.append(_refuse_unstorable)


def _refuse_unstorable(
    execute: Callable[..., Any], sql: str, params: Any, many: object, context: Mapping[str, Any]
) -> Any:
    try:
        return execute(sql, params, many, context)
    except (DataError, UnicodeEncodeError) as error:
        if all(map(is_storable, _texts(params))):
            raise
        raise UnstorableText from error


def _texts(values: object) -> Iterator[str]:
    """All texts of the parameters, also in lists of them. Values of JSON are texts by now, or escaped."""
    if isinstance(values, str):
        yield values
    elif isinstance(values, Mapping):
        yield from _texts(list(values.values()))
    elif isinstance(values, Iterable) and not isinstance(values, bytes | bytearray | memoryview):
        for value in values:
            yield from _texts(value)
