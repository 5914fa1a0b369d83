"""Signed statements: what the hub's database said, for a process that has no database.

A grant says "the bearer may use this port of this lease until then"; a ticket says "this agent runs this
work of this lease until then". Both are one word: claims as JSON and a signature, each in base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote_plus

GRANT_CHARS_MAX = 4096
GRANT_PARAMETER = "bazaar-grant"


class GrantRefused(Exception):
    """The word was not signed by this hub for this purpose, or its time is over."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The bearer may use a port of a lease. `expires` is a Unix time; `port` a number or a socket's name."""

    lease: int
    port: str
    expires: float

    def signed(self, key: bytes) -> str:
        return _sign(key, "grant", asdict(self))

    @classmethod
    def read(cls, key: bytes, word: str, *, now: float) -> Grant:
        """Raises: GrantRefused."""
        return cls(**_read(key, "grant", word, now=now))


@dataclass(frozen=True, slots=True)
class Ticket:
    """An agent carries out this work. `until` is when the lease ends, `expires` when the ticket does.

    `ports` are what the work declared: each is reached under its key, and under its name if it has one.
    """

    lease: int
    work: str
    ports: tuple[tuple[str, str], ...]
    until: float
    issued: float
    expires: float

    def signed(self, key: bytes) -> str:
        return _sign(key, "ticket", asdict(self))

    @classmethod
    def read(cls, key: bytes, word: str, *, now: float) -> Ticket:
        """Raises: GrantRefused."""
        claims = _read(key, "ticket", word, now=now)
        return cls(**{**claims, "ports": tuple((port, name) for port, name in claims["ports"])})


def take_grant(query: str) -> tuple[str, str]:
    """The grant in a query, and the query without it. Every other parameter stays as it was written.

    Names are compared as the tenant's program will read them, decoded: `bazaar%2Dgrant` is the same name.
    """
    word, rest = "", []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if unquote_plus(name) == GRANT_PARAMETER:
            word = unquote_plus(value)
        else:
            rest.append(part)
    return word, "&".join(rest)


def key_from(secret: str) -> bytes:
    """The key that signs grants and tickets, derived from the hub's own secret."""
    return hmac.new(secret.encode(), b"bazaar.market.tunnels", hashlib.sha256).digest()


def ticket_secret(key: bytes, word: str) -> str:
    """The proof that the caller holds the ticket's secret, which never travels on the connection itself."""
    return hmac.new(key, f"secret.{word}".encode(), hashlib.sha256).hexdigest()


def proof(secret: str, challenge: str) -> str:
    """The answer to a challenge, by who knows the ticket's secret."""
    return hmac.new(secret.encode(), challenge.encode(), hashlib.sha256).hexdigest()


def _sign(key: bytes, purpose: str, claims: Mapping[str, Any]) -> str:
    body = _encode(json.dumps(claims, separators=(",", ":")).encode())
    return f"{body}.{_encode(_signature(key, purpose, body))}"


def _read(key: bytes, purpose: str, word: str, *, now: float) -> dict[str, Any]:
    body, dot, signature = word.partition(".")
    if not dot or len(word) > GRANT_CHARS_MAX or not word.isascii():
        raise GrantRefused("it is not a signed word")
    # Compared as text: base64 has several spellings of the same bytes, and a word has one.
    if not hmac.compare_digest(signature, _encode(_signature(key, purpose, body))):
        raise GrantRefused("the signature is wrong")
    try:
        claims: dict[str, Any] = json.loads(_decode(body))
    except (ValueError, binascii.Error):
        raise GrantRefused("it is not a signed word") from None
    if claims["expires"] <= now:
        raise GrantRefused("its time is over")
    return claims


def _signature(key: bytes, purpose: str, body: str) -> bytes:
    return hmac.new(key, f"{purpose}.{body}".encode(), hashlib.sha256).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
