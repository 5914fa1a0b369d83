"""The origin of a request, as the server saw it."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from django.conf import settings
from django.http import HttpRequest

# Headers that a front server adds. A request that carries one was made by somebody else than the machine
# that the connection comes from.
FORWARDED_HEADERS = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")


def address_of(request: HttpRequest) -> str:
    """The caller's IP address as text; empty where the server listens on a Unix socket."""
    return str(request.META.get("REMOTE_ADDR", ""))


def network_of(address: str) -> str:
    """The smallest network that one caller may be assumed to own: an IPv4 address, or an IPv6 /64.

    A household has 2**64 IPv6 addresses, so a limit by single address would have no effect. Text that is no
    address is returned unchanged.
    """
    found = _parsed(address)
    if found is None:
        return address
    if isinstance(found, IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def is_on_this_machine(request: HttpRequest) -> bool:
    """True if a program on this machine made the request, and did not forward it for another machine.

    Behind a front server the answer is always no: its own connection may come from loopback.
    """
    if settings.BEHIND_FRONT_SERVER or any(name in request.META for name in FORWARDED_HEADERS):
        return False
    found = _parsed(address_of(request))
    return found is not None and found.is_loopback


@lru_cache(maxsize=4096)
def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    """The address, an IPv4 one where it stands in an IPv6 one; None for text that is no address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found
