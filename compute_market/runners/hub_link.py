"""How the agent talks to the hub: JSON over HTTP, every request signed and never the same twice."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

REQUEST_TIMEOUT_S = 30
BASE_PATH = "/api/market/v1/agent"


class HubError(Exception):
    """The hub refused a request. `status` is HTTP's, `code` the hub's word for the reason."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code


class HubUnreachable(Exception):
    """The hub did not answer; the same request may work later."""


class HubLink:
    """One node's line to the hub. Its identity is kept in a file that only its owner can read."""

    def __init__(self, *, url: str, identity: Path, instance: str) -> None:
        self.url = url.rstrip("/")
        self.identity_path = identity
        self.instance = instance
        self.identity: dict[str, Any] = json.loads(identity.read_text()) if identity.exists() else {}
        self._nonce = 0

    @property
    def is_enrolled(self) -> bool:
        return "key" in self.identity

    def enrol(self, *, key: str, runners: list[str]) -> dict[str, Any]:
        """Trade a one-time key for this node's own, and keep that."""
        answer = self._send("enrol", {"key": key, "instance": self.instance, "runners": runners}, {})
        self.identity_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.identity_path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(answer, file)
            file.flush()
            os.fsync(file.fileno())
        self.identity = answer
        return answer

    def call(self, action: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a signed request. Raises: HubError, HubUnreachable."""
        path = f"{BASE_PATH}/{action}"
        digest = hashlib.sha256(json.dumps(body).encode()).hexdigest()
        timestamp = int(time.time())
        # Greater than any before, also after a restart.
        self._nonce = max(self._nonce + 1, time.time_ns())
        lines = ("POST", path, timestamp, self._nonce, self.instance, digest)
        text = "\n".join(str(line) for line in lines)
        signature = hmac.new(self.identity["key"].encode(), text.encode(), hashlib.sha256).hexdigest()
        headers = {
            "X-Agent-Key-Id": self.identity["key_id"],
            "X-Agent-Timestamp": str(timestamp),
            "X-Agent-Nonce": str(self._nonce),
            "X-Agent-Instance": self.instance,
            "X-Agent-Signature": signature,
        }
        return self._send(action, body, headers)

    def _send(self, action: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - the address is the operator's
            f"{self.url}{BASE_PATH}/{action}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **headers},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_S) as response:  # noqa: S310
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            if error.code in {429, 502, 503, 504}:
                raise HubUnreachable(str(error)) from None
            raise _refusal(error) from None
        except (OSError, ValueError) as error:
            raise HubUnreachable(str(error)) from None


def _refusal(error: urllib.error.HTTPError) -> HubError:
    try:
        problem = json.load(error)
        return HubError(error.code, problem.get("code", ""), problem.get("detail", ""))
    except (OSError, ValueError, AttributeError):
        return HubError(error.code, "", str(error.reason))
