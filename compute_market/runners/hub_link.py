"""The agent's calls of the hub: JSON over HTTPS. Every request is signed, and no signature is used twice."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import ipaddress
import json
import os
import threading
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any, NoReturn

from compute_market.runners.clocks import HubClock
from compute_market.runners.deadlines import DeadlineHandler
from compute_market.runners.loops import say

REQUEST_TIMEOUT_S = 30.0
ANSWER_BYTES_MAX = 32 * 1024 * 1024
ANSWER_PIECE_BYTES = 64 * 1024
# Far beyond what an agent counts to, and within the hub's own column.
NONCE_MAX = 2**62
BASE_PATH = "/api/market/v1/agent"
NONCES_RESERVED = 10_000
SIGNING_TRIES = 3
TRY_LATER = frozenset({408, 429, 500, 502, 503, 504})


class HubError(Exception):
    """The hub refused a request. `status` is HTTP's, `code` the hub's word for the reason."""

    def __init__(self, status: int, code: str, detail: str, problem: dict[str, Any] | None = None) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.problem = problem or {}


class HubUnreachable(Exception):
    """The hub did not answer; the same request may work later."""


class Nonces:
    """Numbers that only grow, also over restarts. The file holds an upper bound of the numbers used so far.

    Numbers are reserved in ranges, so the file is written once in `NONCES_RESERVED` requests. If it cannot be
    written, the numbers go on in memory: the hub answers a number that is too small with the last one it saw.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._last = self._reserved = self._read()

    def next(self) -> int:
        with self._lock:
            self._last += 1
            if self._last > self._reserved:
                self._reserve()
            return self._last

    def go_past(self, number: int) -> None:
        """Hand out only greater numbers from now on."""
        with self._lock:
            self._last = max(self._last, number)

    def _read(self) -> int:
        with contextlib.suppress(OSError, ValueError):
            return max(0, int(self._path.read_text()))
        return 0

    def _reserve(self) -> None:
        self._reserved = self._last + NONCES_RESERVED
        try:
            write_atomically(self._path, str(self._reserved))
        except OSError as error:
            say(f"{self._path.name} cannot be written: {error.strerror}")


class HubLink:
    """One node's line to the hub; threads may call at once. Its identity is in a file for its owner alone."""

    def __init__(self, *, url: str, identity: Path, instance: str) -> None:
        """`instance` is the machine's fingerprint. Raises: ValueError for an address that is not safe."""
        self.url = safe_address(url)
        self.identity_path = identity
        self.instance = instance
        self.clock = HubClock()
        self.nonces = Nonces(identity.with_name("nonce"))
        self.identity: dict[str, Any] = json.loads(identity.read_text()) if identity.exists() else {}
        # A proxy of the environment must not see what is said in clear on the machine itself.
        proxies = [urllib.request.ProxyHandler({})] if self.url.startswith("http:") else []
        self._opener = urllib.request.build_opener(_NoRedirects(), DeadlineHandler(), *proxies)

    @property
    def is_enrolled(self) -> bool:
        return "key" in self.identity

    def enrol(self, *, key: str, runners: list[str]) -> dict[str, Any]:
        """Trade a one-time key for this node's own, and keep that."""
        body = json.dumps({"key": key, "instance": self.instance, "runners": runners}).encode()
        answer = self._send("enrol", body, {}, timeout_s=REQUEST_TIMEOUT_S)
        self.identity_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self.identity_path, json.dumps(answer))
        self.identity = answer
        return answer

    def call(
        self, action: str, body: dict[str, Any], *, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> dict[str, Any]:
        """Send a signed request; its answer ends within `timeout_s`. Raises: HubError, HubUnreachable."""
        content = json.dumps(body).encode()
        for _ in range(SIGNING_TRIES - 1):
            with contextlib.suppress(_SignedAnew):
                return self._send(action, content, self.signature(action, content), timeout_s=timeout_s)
        return self._send(action, content, self.signature(action, content), timeout_s=timeout_s, is_last=True)

    def signature(self, action: str, content: bytes, *, method: str = "POST") -> dict[str, str]:
        """The headers that sign one request to `BASE_PATH/action` with this body. Good once."""
        timestamp, nonce = int(self.clock.now()), self.nonces.next()
        digest = hashlib.sha256(content).hexdigest()
        lines = (method, f"{BASE_PATH}/{action}", timestamp, nonce, self.instance, digest)
        text = "\n".join(str(line) for line in lines)
        signature = hmac.new(self.identity["key"].encode(), text.encode(), hashlib.sha256).hexdigest()
        return {
            "X-Agent-Key-Id": self.identity["key_id"],
            "X-Agent-Timestamp": str(timestamp),
            "X-Agent-Nonce": str(nonce),
            "X-Agent-Instance": self.instance,
            "X-Agent-Signature": signature,
        }

    def learn(self, problem: dict[str, Any]) -> bool:
        """Correct the clock or the nonce by what a refusal tells; whether a request signed anew may work."""
        with contextlib.suppress(KeyError, TypeError, ValueError):
            if problem.get("code") == "agent_clock_off":
                self.clock.set(unix_seconds(problem["now"]))
                return True
            if problem.get("code") == "agent_replayed":
                last = int(problem["last_nonce"])
                if last < NONCE_MAX:
                    self.nonces.go_past(last)
                    return True
        return False

    def _send(
        self, action: str, body: bytes, headers: dict[str, str], *, timeout_s: float, is_last: bool = False
    ) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            f"{self.url}{BASE_PATH}/{action}",
            data=body,
            headers={"Content-Type": "application/json", **headers},
            method="POST",
        )
        try:
            with self._opener.open(request, timeout=timeout_s) as response:
                answer = json.loads(read_all(response, ANSWER_BYTES_MAX))
        except urllib.error.HTTPError as error:
            with error:
                self._refuse(error, is_last=is_last)
        except (OSError, ValueError, HTTPException, RecursionError) as error:
            raise HubUnreachable(str(error)) from None
        if not isinstance(answer, dict):
            raise HubUnreachable("the answer is no JSON object")
        with contextlib.suppress(KeyError, TypeError, ValueError):
            self.clock.set(unix_seconds(answer["now"]))
        return answer

    def _refuse(self, error: urllib.error.HTTPError, *, is_last: bool) -> NoReturn:
        if error.code in TRY_LATER:
            raise HubUnreachable(str(error)) from None
        problem: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError, HTTPException, RecursionError):
            read = json.loads(read_all(error, ANSWER_BYTES_MAX))
            problem = read if isinstance(read, dict) else {}
        if self.learn(problem) and not is_last:
            raise _SignedAnew from None
        detail = str(problem.get("detail") or error.reason)
        raise HubError(error.code, str(problem.get("code", "")), detail, problem) from None


class _SignedAnew(Exception):
    """The hub told what was wrong with the signature's time or number: sign once more."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The operator sets the hub's address, so no answer may redirect a signed request elsewhere."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        return None


def read_all(answer: Any, limit: int) -> bytes:
    """The body of an answer. Raises: OSError, also when it has more bytes than the limit."""
    body = bytearray()
    while piece := answer.read1(ANSWER_PIECE_BYTES):
        body += piece
        if len(body) > limit:
            raise OSError(f"the answer has more than {limit} bytes")
    return bytes(body)


def safe_address(url: str) -> str:
    """The hub's address without a slash at its end. Raises: ValueError for http beyond this machine."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError(f"{url} is no address like https://hub.example.org.")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError(
            f"{url} would send what runs here in clear; use https:// (http:// only on localhost)."
        )
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """True if a host name or address is this machine itself."""
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def unix_seconds(moment: object) -> float:
    """Unix seconds of an ISO 8601 time with its zone. Raises: ValueError."""
    found = datetime.fromisoformat(str(moment))
    if found.tzinfo is None:
        raise ValueError("a time without its zone")
    return found.timestamp()


def write_atomically(path: Path, text: str) -> None:
    """Replace a file's content, durably, readable by its owner alone. Raises: OSError."""
    draft = path.with_name(f"{path.name}.new")
    descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
