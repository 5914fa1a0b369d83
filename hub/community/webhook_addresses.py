"""The network addresses that a webhook may call, and the present addresses of a host name."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import SplitResult, urlsplit

from django.utils.translation import gettext as _

from foundation.errors import Invalid
from hub.community.errors import AddressForbidden

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
PORTS = {"http": 80, "https": 443}
# A name in ASCII. Other letters are encoded by IDNA before the name server is asked.
_HOST = re.compile(r"[A-Za-z0-9._-]+")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: IPAddress) -> bool:
    """True if an address belongs to the open internet; IPv4 inside IPv6 is judged as the IPv4 address."""
    if isinstance(address, ipaddress.IPv6Address):
        carried = address.ipv4_mapped or address.sixtofour
        if carried is None and address.teredo is not None:
            carried = address.teredo[1]
        if carried is None and address in _NAT64:
            carried = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if carried is not None:
            return is_public(carried)
    return address.is_global and not address.is_multicast and not address.is_reserved


def split_url(url: str) -> SplitResult:
    """The parts of an address that may be called at all. Raises: Invalid."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Invalid(reason=_("This is not a URL.")) from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise Invalid(reason=_("A webhook's URL begins with http:// or https:// and names a host."))
    if parts.username or parts.password:
        raise Invalid(reason=_("A webhook's URL holds no username or password; use its secret."))
    if port == 0 or any(ord(character) <= 32 for character in url):
        raise Invalid(reason=_("This is not a URL."))
    host_of(parts)
    return parts


def host_of(parts: SplitResult) -> str:
    """The host in the form for the name server: `①.example` is `1.example`. Raises: Invalid."""
    try:
        host = (parts.hostname or "").encode("idna").decode()
    except UnicodeError:
        host = ""
    if ":" not in host and not _HOST.fullmatch(host):
        raise Invalid(reason=_("This is not a URL."))
    return host


def require_literal_public(parts: SplitResult) -> None:
    """Checks of a URL that need no name server. Raises: Invalid, AddressForbidden."""
    host = host_of(parts).rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        raise AddressForbidden(host=host)
    address = _literal(host)
    if address is not None and not is_public(address):
        raise AddressForbidden(host=host)


def _literal(host: str) -> IPAddress | None:
    """The address that a host is by itself: also `0`, `127.1` and `0x7f.1`, as the C library has it."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def resolve(host: str, port: int, *, may_be_private: bool) -> list[str]:
    """Every address of a host, all of them checked. The caller connects to one of these, never to the
    name: a second look-up could give another answer.

    Raises: AddressForbidden, OSError when the name is not known.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    texts = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not may_be_private and not all(is_public(ipaddress.ip_address(_bare(text))) for text in texts):
        raise AddressForbidden(host=host)
    return texts


def _bare(text: str) -> str:
    """Without the zone of a link-local IPv6 address."""
    return text.partition("%")[0]
