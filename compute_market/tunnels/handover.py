"""Passing a connection from another process to the tunnels: its descriptor and a signed description of it.

One message on a Unix SEQPACKET socket: signature, length, the description as JSON, the bytes received so far.
The folder of the socket is open to the hub's own user alone; the signature makes sure of it.
"""

from __future__ import annotations

import array
import hashlib
import hmac
import json
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from foundation import taken_connections

MESSAGE_BYTES_MAX = 160 * 1024
TIMEOUT_S = 5.0
_SIGNATURE_BYTES = 32
_LENGTH_BYTES = 4


class TunnelsAway(Exception):
    """The process that joins connections does not run."""


@dataclass(frozen=True, slots=True)
class Handover:
    """A connection whose request has been read and whose rights have been decided.

    kind: `visit` (an HTTP request that is passed on), `pipe` (bytes both ways after an upgrade), `raw` (bytes
    both ways at once), `agent` (an agent's spare connection), `node` (the wake-up connection of a node).
    """

    kind: str
    lease: int = 0
    node: int = 0
    port: str = ""
    method: str = "GET"
    target: str = "/"
    prefix: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)


class Sender:
    """One handover: connected first, so that a view still can answer when the tunnels are away."""

    def __init__(self, path: Path, key: bytes) -> None:
        """Raises: TunnelsAway."""
        self._key = key
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(TIMEOUT_S)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise TunnelsAway(str(error)) from None

    def send(self, connection: socket.socket, handover: Handover, unread: bytes = b"") -> None:
        """Give the connection away: it is closed here.

        Raises: TunnelsAway, ValueError (too much of it was read already).
        """
        message = _pack(self._key, handover, unread)
        rights = array.array("i", [connection.fileno()])
        try:
            self._socket.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        except OSError as error:
            raise TunnelsAway(str(error)) from None
        finally:
            connection.close()
            self._socket.close()

    def close(self) -> None:
        self._socket.close()


def receive(key: bytes, end: socket.socket) -> tuple[Handover, bytes, socket.socket] | None:
    """The message on the accepted socket, or None if it is not a connection from this hub."""
    message, descriptors, _flags, _address = socket.recv_fds(end, MESSAGE_BYTES_MAX, 4)
    connections = [socket.socket(fileno=number) for number in descriptors]
    read = _unpack(key, message)
    if read is None or len(connections) != 1:
        for connection in connections:
            connection.close()
        return None
    connections[0].setblocking(False)
    return (*read, connections[0])


def _pack(key: bytes, handover: Handover, unread: bytes) -> bytes:
    text = json.dumps(asdict(handover)).encode()
    body = len(text).to_bytes(_LENGTH_BYTES) + text + unread
    if len(body) + _SIGNATURE_BYTES > MESSAGE_BYTES_MAX:
        raise ValueError("too much of the connection has been read to give it away")
    return hmac.new(key, body, hashlib.sha256).digest() + body


def _unpack(key: bytes, message: bytes) -> tuple[Handover, bytes] | None:
    signature, body = message[:_SIGNATURE_BYTES], message[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, hmac.new(key, body, hashlib.sha256).digest()):
        return None
    end = _LENGTH_BYTES + int.from_bytes(body[:_LENGTH_BYTES])
    fields: dict[str, Any] = json.loads(body[_LENGTH_BYTES:end])
    fields["headers"] = [(name, value) for name, value in fields["headers"]]
    return Handover(**fields), body[end:]


def give_away(environ: Mapping[str, Any], handover: Handover, *, path: Path, key: bytes) -> None:
    """Take a view's connection from the web server and give it to the tunnels; its request goes along.

    Raises: TunnelsAway. Otherwise the view's own answer is not sent.
    """
    take = taken_connections.offered(environ)
    if take is None:
        raise TunnelsAway("this web server does not let connections go")
    sender = Sender(path, key)
    taken = take()
    sender.send(taken.socket, replace(handover, **request_of(environ)), taken.unread)


def request_of(environ: Mapping[str, Any]) -> dict[str, Any]:
    """Method, target and headers of a WSGI request, as `Handover` has them."""
    headers = [
        (name[5:].replace("_", "-").lower(), str(value))
        for name, value in environ.items()
        if name.startswith("HTTP_") and name != "HTTP_X_FORWARDED_FOR"
    ]
    # The web server sets the client's address; a header of the client's does not count.
    headers.append(("x-forwarded-for", str(environ.get("REMOTE_ADDR", ""))))
    headers += [
        (name.replace("_", "-").lower(), str(environ[name]))
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH")
        if environ.get(name)
    ]
    return {"method": str(environ["REQUEST_METHOD"]), "headers": headers}
