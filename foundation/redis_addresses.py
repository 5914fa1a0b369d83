"""Addresses of Redis: one server, or Sentinels that know which server is the primary. Needs no Django.

`redis://`, `rediss://` and `unix://` name one server. `redis+sentinel://` names Sentinels and the primary:
`redis+sentinel://[user:password@]host[:port][,host[:port]…]/NAME[/database][?sentinel_password=…]`.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from foundation.environment import VariableInvalid, split_address

SENTINEL_SCHEME = "redis+sentinel"
SCHEMES = ("redis", "rediss", "unix", SENTINEL_SCHEME)
SENTINEL_PORT = 26379
_HOST = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]@/]+)(?::(?P<port>\d{1,5}))?")


class Sentinels(NamedTuple):
    """The Sentinels of a primary, and how clients sign in at the primary and at the Sentinels."""

    hosts: tuple[tuple[str, int], ...]
    name: str
    database: int
    username: str | None
    password: str | None
    sentinel_password: str | None


def checked(url: str) -> str:
    """The address unchanged. Raises: VariableInvalid, without the password in its text."""
    scheme = split_address("REDIS_URL", url, has_one_host=False).scheme
    if scheme not in SCHEMES:
        raise VariableInvalid(f"REDIS_URL must begin with one of {', '.join(SCHEMES)}, not {scheme!r}.")
    if sentinels_of(url) is None:
        split_address("REDIS_URL", url)
    return url


def sentinels_of(url: str) -> Sentinels | None:
    """The parts of a Sentinel address; None for the address of one server. Raises: VariableInvalid."""
    parts = urlsplit(url)
    if parts.scheme != SENTINEL_SCHEME:
        return None
    sign_in, _, hosts = parts.netloc.rpartition("@")
    username, _, password = sign_in.partition(":")
    name, _, database = parts.path.strip("/").partition("/")
    if not name:
        raise VariableInvalid("REDIS_URL: the path of a redis+sentinel address is the name of the primary.")
    if database and not database.isdecimal():
        raise VariableInvalid(f"REDIS_URL: the database must be a whole number, not {database!r}.")
    query = parse_qs(parts.query)
    if unknown := sorted(query.keys() - {"sentinel_password"}):
        raise VariableInvalid(f"REDIS_URL: redis+sentinel knows no {', '.join(unknown)}.")
    return Sentinels(
        hosts=tuple(_host_and_port(host) for host in hosts.split(",")),
        name=unquote(name),
        database=int(database or 0),
        username=unquote(username) or None,
        password=unquote(password) or None,
        sentinel_password=query.get("sentinel_password", [None])[0],
    )


def _host_and_port(text: str) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    port = int((found and found["port"]) or SENTINEL_PORT)
    if found is None or not 0 < port < 65536:
        # It may be a part of a password that has a slash.
        raise VariableInvalid("REDIS_URL: one of the names of Sentinels is no host or host:port.")
    return found["host"].strip("[]"), port
