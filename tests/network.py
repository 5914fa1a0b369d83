"""Tests reach loopback and local sockets only: an audit hook of the interpreter refuses everything else.

The hook sees the connections, datagrams and look-ups of names that Python code makes, in all threads of the
process, and cannot be switched off. It does not see those of libraries in C (libpq). `tests/servers/offline`
installs it in the servers and other Python programs that tests start.
"""

from __future__ import annotations

import ipaddress
import socket
import sys

CONNECTIONS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
# A datagram socket that is connected sends nothing: so a server asks which address of its own faces outward.
# These are addresses of documents (RFC 5737, RFC 3849), which no machine has.
NOWHERE = {"192.0.2.1", "2001:db8::1"}
LOOK_UPS = {"socket.getaddrinfo", "socket.gethostbyname"}


class NetworkForbidden(RuntimeError):
    """Code under test turned to another machine. It is no OSError: nothing takes it for a refusal."""


def stay_on_this_machine() -> None:
    """Refuse, from now on and in this process, what would leave the machine."""
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event in CONNECTIONS:
        connection, address = arguments[0], arguments[1]
        if (
            isinstance(connection, socket.SocketType)
            and connection.family in {socket.AF_INET, socket.AF_INET6}
            and isinstance(address, tuple)  # none: a datagram on a connected socket
            and not _is_here(address[0])
            and not (
                connection.type == socket.SOCK_DGRAM and event == "socket.connect" and address[0] in NOWHERE
            )
        ):
            raise NetworkForbidden(f"{event} to {address}")
    elif event in LOOK_UPS and not (_is_a_number(arguments[0]) or _is_here(arguments[0])):
        raise NetworkForbidden(f"{event} of {arguments[0]!r}")


def _is_here(host: object) -> bool:
    """True if a host names this machine, and if there is no host."""
    name = _text(host)
    if not name or name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _is_a_number(host: object) -> bool:
    """True if a host is an address in any spelling (`127.1`, `0x7f000001`): these need no name server."""
    try:
        socket.inet_aton(_text(host))
    except OSError:
        return ":" in _text(host)
    return True


def _text(host: object) -> str:
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
    return text.lower().rstrip(".").partition("%")[0]
