"""The refusals of every call in the API's description."""

from __future__ import annotations

from typing import Any

from foundation.described import METHODS, add_refusals, components
from hub.api.native.answers import Refused

PREFIX = "/api/hub/v1/"
ALWAYS = {
    "400": "Malformed: `invalid`, with `fields` where single fields are wrong.",
    "401": "`unauthenticated` or `invalid_token`: no credentials, or some that are not known.",
    "403": "`denied`, `scope_missing` and others: the credentials do not reach this.",
    "404": "`…_not_found`: there is no such thing, or the caller may not know of it.",
    "406": "The caller accepts no JSON.",
    "429": "`rate_limited`; `Retry-After` says how many seconds to wait.",
    "503": "Not now; the same request may work later.",
}
CHANGING = {
    "409": "Against what is: `name_taken`, `deleted_meanwhile` and others.",
    "415": "The body is not JSON.",
}


def complete(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """A hook of the description: refusals of every call of the hub's own API."""
    result["components"]["schemas"] |= components(Refused)
    for path, operations in result["paths"].items():
        if path.startswith(PREFIX):
            for method in METHODS & operations.keys():
                refusals = ALWAYS if method == "get" else ALWAYS | CHANGING
                add_refusals(operations[method], refusals, answer=Refused, media_type="application/json")
    return result
