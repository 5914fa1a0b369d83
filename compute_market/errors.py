"""The kinds of refusal, as the hub knows them. The market's rooms subclass these and name their case."""

from hub.interface import (
    Conflict,
    Denied,
    Exhausted,
    Invalid,
    NotFound,
    Refusal,
    Unauthenticated,
    Unavailable,
    Unsupported,
)

__all__ = [
    "Conflict",
    "Denied",
    "Exhausted",
    "Invalid",
    "NotFound",
    "Refusal",
    "Unauthenticated",
    "Unavailable",
    "Unsupported",
]
