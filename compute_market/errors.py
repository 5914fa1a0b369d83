"""The kinds of refusal, as the hub knows them. The market's rooms subclass these and name their case."""

from hub.interface import (
    Conflict,
    Denied,
    Exhausted,
    Interrupted,
    Invalid,
    NotFound,
    Refusal,
    Unauthenticated,
    Unavailable,
    Unsupported,
    refusal_of,
)

__all__ = [
    "Conflict",
    "Denied",
    "Exhausted",
    "Interrupted",
    "Invalid",
    "NotFound",
    "Refusal",
    "Unauthenticated",
    "Unavailable",
    "Unsupported",
    "refusal_of",
]
