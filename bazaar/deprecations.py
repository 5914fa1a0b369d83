"""Deprecated calls of the APIs under `/api/hub/v1` and `/api/market/v1`: one table (docs/compatibility.md).

An entry sets headers on each answer of its call, and marks the call as deprecated in `/api/schema`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils.http import http_date

PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True, slots=True)
class Deprecation:
    """`since`: when the call became deprecated; `removed`: when it will be gone, once that is decided."""

    since: datetime
    removed: datetime | None = None


# By method and path, as `/api/schema` writes them: ("GET", "/api/market/v1/orders/{order_id}").
DEPRECATED: dict[tuple[str, str], Deprecation] = {}


def add_headers(request: HttpRequest, response: HttpResponseBase) -> None:
    """Add `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and a link to the documentation, if they apply."""
    if not DEPRECATED or (match := request.resolver_match) is None:
        return
    path = PARAMETER.sub(r"{\1}", f"/{match.route}")
    found = DEPRECATED.get((request.method or "", path))
    if found is None:
        return
    headers = response.headers
    headers["Deprecation"] = f"@{int(found.since.timestamp())}"
    if found.removed is not None:
        headers["Sunset"] = http_date(found.removed.timestamp())
    link = '</api/docs>; rel="deprecation"; type="text/html"'
    headers["Link"] = f"{headers['Link']}, {link}" if "Link" in headers else link


def mark(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A hook of drf-spectacular. KeyError: the table names a call that there is not."""
    for method, path in DEPRECATED:
        result["paths"][path][method.lower()]["deprecated"] = True
    return result
