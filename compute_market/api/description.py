"""Additions to the API's description, for every market call: the permission it needs, and its refusals."""

from __future__ import annotations

from typing import Any

PREFIX = "/api/market/v1/"
AGENTS = f"{PREFIX}agent/"
# These need no key; an agent's calls are signed in a way of their own.
PUBLIC = frozenset(
    {"products", "product", "offers", "tickers", "ticker", "book", "trades", "candles", "quote", "stream"}
)
METHODS = frozenset({"get", "post", "put", "patch", "delete"})
SHAPE = "MarketProblem"
SECURITY = "accessToken"
PROBLEM = {
    "type": "object",
    "description": "Problem details (RFC 9457). More fields say what the sentence says, for programs.",
    "required": ["type", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "example": "urn:bazaar:problem:insufficient_funds"},
        "status": {"type": "integer", "example": 422},
        "code": {"type": "string", "description": "A word for programs.", "example": "insufficient_funds"},
        "detail": {"type": "string", "description": "A sentence for people."},
        "errors": {"type": "object", "description": "With the code `invalid`: what is wrong, by field."},
    },
    "additionalProperties": True,
}
ALWAYS = {
    "400": "Malformed: `invalid` with `errors` by field, `malformed_query`, `order_invalid` and others.",
    "429": "`rate_limited`; `Retry-After` says how many seconds to wait.",
    "503": "Not now: `product_halted`, `too_many_streams`.",
}
PRIVATE = {
    "401": "`unauthenticated` or `invalid_token`: no token, or one that is not known.",
    "403": "`scope_missing`, `namespace_denied` or `operator_only`: the token or its user may not do this.",
}
NAMED = {"404": "`…_not_found`: there is no such thing, or it belongs to others."}
CHANGING = {
    "409": "Against what is: `client_order_id_reused`, `not_open`, `version_changed` and others.",
    "413": "`body_too_large`.",
    "422": "More than there is: `insufficient_funds`, `too_many_open_orders`, `cap_reached`.",
}


def complete(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """A hook of the description: security and refusals of every call of the market that people make."""
    result.setdefault("components", {}).setdefault("schemas", {})[SHAPE] = PROBLEM
    for path, operations in result["paths"].items():
        if not path.startswith(PREFIX) or path.startswith(AGENTS):
            continue
        for method, operation in operations.items():
            if method in METHODS:
                _complete(path, method, operation)
    return result


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    refusals = dict(ALWAYS)
    if "{" in path or method != "get":
        refusals |= NAMED
    if method != "get":
        refusals |= CHANGING
    if operation["operationId"] not in PUBLIC:
        operation["security"] = [{SECURITY: []}]
        refusals |= PRIVATE
    for status, text in sorted(refusals.items()):
        operation["responses"].setdefault(
            status,
            {
                "description": text,
                "content": {
                    "application/problem+json": {"schema": {"$ref": f"#/components/schemas/{SHAPE}"}}
                },
            },
        )
