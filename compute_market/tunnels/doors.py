"""Permission to visit a port at its own address: by a grant in a cookie or a link, or by an access token.

An address is `{lease}--{port}.{leases' domain}`: each port of each lease is an origin of its own, so that no
page of one can act in another, nor as the hub.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import re
import time
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urlsplit

from compute_market.tunnels import heads
from compute_market.tunnels.grants import Grant, GrantRefused, take_grant
from compute_market.tunnels.heads import GRANT_COOKIE, HOST_GRANT_COOKIE, Request
from compute_market.tunnels.works import NotServed

LABEL = re.compile(r"(?P<lease>[1-9]\d{0,17})--(?P<port>[a-z0-9][a-z0-9-]{0,40})")
# A token's answer is good for so long: a revoked token, or a lost role, is noticed after it.
REMEMBERED_SECONDS = 20.0
REMEMBERED_MAX = 10_000
ASK_SECONDS = 10.0
UNCHANGING = frozenset({"GET", "HEAD", "OPTIONS"})


class Told(Protocol):
    """The configuration of a visit's checks (`server.Configuration`)."""

    @property
    def key(self) -> bytes: ...
    @property
    def leases_url(self) -> str: ...
    @property
    def hub_url(self) -> str: ...
    @property
    def web_url(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may pass."""

    lease: int
    port: str
    prefix: str = ""


class Door:
    """See the module."""

    def __init__(self, told: Told) -> None:
        self.told = told
        parts = urlsplit(told.leases_url)
        self.domain, self.scheme = parts.netloc.lower(), parts.scheme or "http"
        self._remembered: dict[tuple[str, int, str], tuple[float, NotServed | None]] = {}

    async def admit(self, request: Request) -> Admitted | bytes:
        """None if the request may pass; otherwise the bytes of an answer. Raises: NotServed."""
        host = heads.value(request.headers, "host").lower()
        label = (
            host.removesuffix(f".{self.domain}") if self.domain and host.endswith(f".{self.domain}") else ""
        )
        found = LABEL.fullmatch(label)
        if found is None:
            raise NotServed(404, "no_such_address", "This address is no lease's.")
        lease, port = int(found["lease"]), found["port"]
        path, _, query = request.target.partition("?")
        word, rest = take_grant(query)
        bare = path + (f"?{rest}" if rest else "")
        if word:
            grant = self._read(word, lease, port)
            if grant is None:
                raise NotServed(403, "link_refused", "This link is no longer good.")
            if request.is_navigation:
                return self._enter(bare, word, grant)
            request.target = bare
            return Admitted(lease, port)
        if self._has_cookie(request, lease, port):
            self._require_own_origin(request, host)
            return Admitted(lease, port)
        if await self._has_token(request, lease, port):
            return Admitted(lease, port)
        if request.is_navigation:
            target = f"/leases/{lease}/ports/{port}{request.target}"
            return heads.render(
                "HTTP/1.1 303 See Other",
                [
                    ("location", self.told.hub_url + target),
                    ("content-length", "0"),
                    ("cache-control", "no-store"),
                ],
            )
        raise NotServed(401, "not_signed_in", "A token, or a link that was signed for this port, is needed.")

    def _read(self, word: str, lease: int, port: str) -> Grant | None:
        try:
            grant = Grant.read(self.told.key, word, now=time.time())
        except GrantRefused:
            return None
        return grant if (grant.lease, grant.port) == (lease, port) else None

    def _enter(self, target: str, word: str, grant: Grant) -> bytes:
        """The page itself, with the grant in a cookie instead of the address."""
        name, more = (HOST_GRANT_COOKIE, "; Secure") if self.scheme == "https" else (GRANT_COOKIE, "")
        seconds = max(1, int(grant.expires - time.time()))
        cookie = f"{name}={word}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{more}"
        # Two slashes would begin a host's name.
        location = "/" + quote(target, safe="/:?#[]@!$&'()*+,;=%~-._").lstrip("/")
        return heads.render(
            "HTTP/1.1 303 See Other",
            [
                ("location", location),
                ("set-cookie", cookie),
                ("cache-control", "no-store"),
                ("referrer-policy", "no-referrer"),
                ("content-length", "0"),
            ],
        )

    def _has_cookie(self, request: Request, lease: int, port: str) -> bool:
        name = HOST_GRANT_COOKIE if self.scheme == "https" else GRANT_COOKIE
        for text in (text for key, text in request.headers if key == "cookie"):
            for pair in text.split(";"):
                key, _, word = pair.strip().partition("=")
                if key == name and self._read(word, lease, port) is not None:
                    return True
        return False

    def _require_own_origin(self, request: Request, host: str) -> None:
        """A cookie alone does not let other sites' pages act here, nor those of other leases."""
        origin = heads.value(request.headers, "origin")
        if origin and urlsplit(origin).netloc.lower() != host:
            raise NotServed(403, "other_origin", "This request came from another site's page.")
        site = heads.value(request.headers, "sec-fetch-site")
        if site in {"cross-site", "same-site"} and request.method not in UNCHANGING:
            raise NotServed(403, "other_origin", "This request came from another site's page.")

    async def _has_token(self, request: Request, lease: int, port: str) -> bool:
        token = heads.value(request.headers, heads.TOKEN_HEADER)
        given = heads.value(request.headers, "authorization")
        if not token and given.lower().startswith("bearer "):
            token = given.partition(" ")[2].strip()
            request.headers = [pair for pair in request.headers if pair[0] != "authorization"]
        if not token:
            return False
        name = (hashlib.sha256(token.encode()).hexdigest(), lease, port)
        at, refusal = self._remembered.get(name, (0.0, None))
        if time.monotonic() - at > REMEMBERED_SECONDS:
            refusal = await asyncio.to_thread(self._ask, token, lease, port)
            if len(self._remembered) >= REMEMBERED_MAX:
                self._remembered.clear()
            self._remembered[name] = (time.monotonic(), refusal)
        if refusal is not None:
            raise refusal
        return True

    def _ask(self, token: str, lease: int, port: str) -> NotServed | None:
        """The hub's decision on a token: None if it may pass. Raises: NotServed if the hub does
        not answer.
        """
        parts = urlsplit(self.told.web_url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=ASK_SECONDS)
        try:
            connection.request(
                "GET",
                f"/api/market/v1/leases/{lease}/ports/{port}",
                headers={
                    "Host": urlsplit(self.told.hub_url).netloc,
                    "Authorization": f"Bearer {token}",
                    "Accept": "application/json",
                },
            )
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            raise NotServed(503, "hub_away", "The hub does not answer.") from None
        finally:
            connection.close()
        if answer.status == 200:
            return None
        try:
            problem = json.loads(body)
            return NotServed(answer.status, str(problem["code"]), str(problem["detail"]))
        except (ValueError, KeyError, TypeError):
            return NotServed(503, "hub_away", "The hub does not answer.")
