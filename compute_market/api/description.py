"""Additions to the API's description, for every market call: the permission it needs, and its refusals."""

from __future__ import annotations

from typing import Any

from compute_market.api.answers.refusals import MarketProblem
from compute_market.problems import MEDIA_TYPE
from foundation.described import METHODS, add_refusals, components

PREFIX = "/api/market/v1/"
AGENTS = f"{PREFIX}agent/"
# These need no key; an agent's calls are signed in a way of their own.
PUBLIC = frozenset(
    {"products", "product", "offers", "tickers", "ticker", "book", "trades", "candles", "quote", "stream"}
)
SECURITY = "accessToken"
ALWAYS = {
    "400": "Malformed: `invalid` with `errors` by field, `malformed_query`, `order_invalid` and others.",
    "401": "`invalid_token`: the token is not known.",
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
    "415": "The body is not JSON.",
    "422": "More than there is: `insufficient_funds`, `too_many_open_orders`, `cap_reached`.",
}


# An agent's calls: signed, and made for its node alone.
OF_AGENTS = {
    "406": "The agent accepts no JSON.",
    "401": "`agent_refused` or `agent_replayed`: the signature is not known, or not new.",
    "403": "`agent_elsewhere`: the key is in use on another machine, and others.",
}


def complete(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """A hook of the description: security and refusals of every call of the market."""
    result["components"]["schemas"] |= components(MarketProblem)
    for path, operations in result["paths"].items():
        if path.startswith(PREFIX):
            for method in METHODS & operations.keys():
                _complete(path, method, operations[method])
    return result


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    refusals = dict(ALWAYS)
    if "{" in path or method != "get" or _names_an_account(operation):
        refusals |= NAMED
    if method != "get":
        refusals |= CHANGING
    if path.startswith(AGENTS):
        refusals |= OF_AGENTS
    elif operation["operationId"] not in PUBLIC:
        operation["security"] = [{SECURITY: []}]
        refusals |= PRIVATE
    if "101" in operation["responses"]:
        refusals["426"] = "`upgrade_needed`: `Upgrade` names the protocol to ask for."
    add_refusals(operation, refusals, answer=MarketProblem, media_type=MEDIA_TYPE)


def _names_an_account(operation: dict[str, Any]) -> bool:
    return any(parameter["name"] == "account" for parameter in operation.get("parameters", ()))
