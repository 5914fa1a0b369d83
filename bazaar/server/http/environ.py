"""The WSGI environment of a request (PEP 3333), with the raw target in `RAW_URI`."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any, BinaryIO
from urllib.parse import unquote_to_bytes, urlsplit

from bazaar.server.http.connections import Connection
from bazaar.server.http.files import FileWrapper
from bazaar.server.http.heads import Head
from bazaar.server.http.limits import Limits

BASE: dict[str, Any] = {
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.file_wrapper": FileWrapper,
    # Reading ends where the body ends, whatever its coding.
    "wsgi.input_terminated": True,
    "SCRIPT_NAME": "",
}

# A caller who is not trusted could choose which requests are traced, and mix traces up.
TRACE_HEADERS = ("HTTP_TRACEPARENT", "HTTP_TRACESTATE", "HTTP_BAGGAGE")
# Longer names are made up by their client, and remembering a thousand of them would take 64 MiB.
KNOWN_NAME_BYTES_MAX = 64


def build(connection: Connection, head: Head, body: BinaryIO, limits: Limits) -> dict[str, Any]:
    """The environment. `RAW_URI` is the target as it came, `PATH_INFO` its path decoded, in Latin-1."""
    target = head.target.decode("ascii")
    path, _, query = target.partition("?")
    if not path.startswith("/") and path != "*":
        path = urlsplit(path).path or "/"
    host, port = connection.server
    environ = {
        **BASE,
        "wsgi.url_scheme": "http",
        "wsgi.input": body,
        "REQUEST_METHOD": head.method,
        "RAW_URI": target,
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1") if "%" in path else path,
        "QUERY_STRING": query.partition("#")[0],
        "SERVER_PROTOCOL": f"HTTP/{head.version}",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "REMOTE_ADDR": connection.address,
    }
    for name, value in head.headers:
        key = _known_key(name) if len(name) <= KNOWN_NAME_BYTES_MAX else _key(name)
        text = value.decode("latin-1")
        if not key:
            continue
        if key in environ:
            text = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
        environ[key] = text
    if environ.get("HTTP_X_FORWARDED_PROTO") == "https" and is_trusted(connection.address, limits):
        environ["wsgi.url_scheme"] = "https"
    if not is_trusted(connection.address, limits):
        for key in TRACE_HEADERS:
            environ.pop(key, None)
    return environ


def is_trusted(address: str, limits: Limits) -> bool:
    """True if the address is a trusted front server's, whose headers about the client are believed."""
    return address in limits.trusted_proxies or "*" in limits.trusted_proxies


@lru_cache(maxsize=1024)
def _known_key(name: bytes) -> str:
    return _key(name)


def _key(name: bytes) -> str:
    """The environment's key for a header; none for names that could pass for another's in it."""
    if b"_" in name:
        return ""
    key = name.decode("ascii").upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
