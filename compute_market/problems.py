"""The form of a refusal that a program reads: problem details (RFC 9457).

Every way into the market answers with it: the API, which adds fields of its own, and the addresses of leases'
ports.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

MEDIA_TYPE = "application/problem+json"
TYPES = "urn:bazaar:problem:"


class Problem(Struct, kw_only=True):
    """The fields that every problem has; `problem_of` makes one."""

    type: Annotated[str, Meta(examples=[f"{TYPES}insufficient_funds"])]
    status: Annotated[int, Meta(examples=[422])]
    code: Annotated[str, Meta(examples=["insufficient_funds"], description="A word for programs.")]
    detail: Annotated[
        str,
        Meta(
            examples=["12.00 credits are needed, 3.50 are available."], description="A sentence for people."
        ),
    ]


def problem_of(status: int, *, code: str, detail: str) -> Problem:
    """The problem that says to a program what its HTTP status alone does not."""
    return Problem(type=TYPES + code, status=status, code=code, detail=detail)
