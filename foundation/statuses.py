"""The one table from kinds of refusal to HTTP statuses, for every API and every page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from foundation import errors

KINDS: Mapping[type[errors.Refusal], int] = {
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.Denied: 403,
    errors.QuotaExceeded: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Insufficient: 422,
    errors.Exhausted: 429,
    errors.Unsupported: 501,
    errors.Unavailable: 503,
    errors.OutOfSpace: 507,
}
NO_CODES: Mapping[str, int] = {}

Value = TypeVar("Value")


def status_of(refusal: errors.Refusal, codes: Mapping[str, int] = NO_CODES) -> int:
    """The HTTP status of a refusal.

    `codes` are the exceptions of one dialect, by the refusal's code: what its clients need otherwise.
    """
    return codes.get(refusal.code) or by_kind(refusal, KINDS)


def by_kind(refusal: errors.Refusal, table: Mapping[type[errors.Refusal], Value]) -> Value:
    """The value for the refusal's nearest kind in a table; that of `Invalid` for a refusal of no kind.

    Raises: KeyError if the table has neither.
    """
    kind = next((kind for kind in type(refusal).__mro__ if kind in table), errors.Invalid)
    return table[kind]
