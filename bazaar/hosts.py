"""The host names by which this server may be called."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from foundation.environment import text

LOOPBACK_NAMES = ("localhost", ".localhost", "127.0.0.1", "[::1]")
# Addresses for documentation (RFC 5737, RFC 3849). Connecting a UDP socket sends nothing; it tells which of
# this machine's addresses its packets would carry.
OUTSIDE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def own_names(public_url: str) -> list[str]:
    """Host names for ALLOWED_HOSTS where the operator gives none: loopback, this machine, public address."""
    name = socket.gethostname().lower()
    found = [*LOOPBACK_NAMES, name, f"{name}.local", *_own_addresses()]
    given = {urlsplit(public_url).hostname or "", text("BAZAAR_HOST")}
    named = sorted(given - {"", "0.0.0.0", "::"})  # noqa: S104 - it is left out
    found += [f"[{host}]" if ":" in host else host for host in named]
    return list(dict.fromkeys(filter(None, found)))


def _own_addresses() -> list[str]:
    found = []
    for family, outside in OUTSIDE:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((outside, 9))
            address = probe.getsockname()[0]
            found.append(f"[{address}]" if family == socket.AF_INET6 else address)
    return found


class KnownHostMiddleware:
    """Refuse a request that calls the server by a name that is not its own, before any view sees it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            request.get_host()
        except DisallowedHost:
            return HttpResponse(
                "This server is not known by the name in the request's Host header.\n"
                "Its operator can add the name to BAZAAR_ALLOWED_HOSTS or set BAZAAR_PUBLIC_URL.\n",
                status=400,
                content_type="text/plain; charset=utf-8",
            )
        return self.get_response(request)
