"""The running hub, as tests use it. Standard library only."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from bazaar_testing import bundles
from bazaar_testing.market import Market

Content = bytes | str | Path | dict[str, Any] | list[Any]
START_SECONDS = 60.0
STOP_SECONDS = 5.0


class HubError(AssertionError):
    """The hub refused what the test asked of it, or did not start; the message says why."""


@dataclass(frozen=True)
class Request:
    """One request that the code under test made."""

    number: int
    method: str
    path: str
    query: str
    headers: dict[str, str]
    status: int
    sent_bytes: int
    fault: int | None

    @property
    def range(self) -> str:
        """The Range header, or an empty text."""
        return self.headers.get("range", "")


@dataclass(frozen=True)
class Repository:
    """The result of `add_model`. `sha` is the head of its default branch."""

    kind: str
    id: str
    sha: str


class Faults:
    """The rules by which requests go wrong; a reset removes them."""

    def __init__(self, hub: ModelHub) -> None:
        self._hub = hub

    def add(self, route: str = "*", *, nth: int | None = None, **rule: Any) -> Fault:
        """Add a rule.

        `route` is a glob over the path; `method` and `repository` narrow it; `nth` applies to the n-th such
        request alone, or `after` and `times` select the requests. Effects: `status`, `retry_after`,
        `latency`, `bandwidth`, `cut_after`, `cut_upload_after`, `wrong_bytes`, `wrong_length`,
        `expired_token`, `stale_etag`; `task` and `lost` are for tasks (docs/testing.md).
        """
        if nth is not None:
            rule.update(after=nth - 1, times=1)
        return Fault(self._hub, self._hub.ask("POST", "/_mock/faults", {"route": route, **rule})["id"])

    def clear(self) -> None:
        self._hub.ask("DELETE", "/_mock/faults")

    def __len__(self) -> int:
        return len(self._hub.ask("GET", "/_mock/faults"))


@dataclass(frozen=True)
class Fault:
    """One rule that was added."""

    _hub: ModelHub
    id: int

    @property
    def hits(self) -> int:
        """The number of requests that the fault was applied to."""
        rules = self._hub.ask("GET", "/_mock/faults")
        return next((int(rule["hits"]) for rule in rules if rule["id"] == self.id), 0)

    def remove(self) -> None:
        self._hub.ask("DELETE", f"/_mock/faults?id={self.id}")


class ModelHub:
    """A hub for tests. `token` is of the user `tester`, who may write to what `add_model` makes."""

    def __init__(self, url: str, *, log: Path | None = None) -> None:
        self.url = url.rstrip("/")
        self._log = log
        self._connection: http.client.HTTPConnection | None = None
        about = self.ask("GET", "/_mock/about")
        self.user: str = about["user"]
        self.token: str = about["token"]
        self.env: dict[str, str] = {}
        self.faults = Faults(self)
        self.market = Market(self)

    # ---- what is on it --------------------------------------------------------------------------

    def add_model(self, repo_id: str, **options: Any) -> Repository:
        """Put a model on the hub; for what can be said about it see `add_repository`."""
        return self.add_repository("model", repo_id, **options)

    def add_dataset(self, repo_id: str, **options: Any) -> Repository:
        return self.add_repository("dataset", repo_id, **options)

    def add_space(self, repo_id: str, **options: Any) -> Repository:
        return self.add_repository("space", repo_id, **options)

    def add_repository(
        self,
        kind: str,
        repo_id: str,
        *,
        files: Mapping[str, Content] | None = None,
        like: str | None = None,
        private: bool = False,
        gated: str | None = None,
    ) -> Repository:
        """Put a repository there, or add a commit with these files to it.

        `files` are path → bytes, text, the path of a local file, or what becomes JSON. `like` takes the
        files of an entry of the starter catalogue ("Qwen/Qwen-72B"): weights that load and are kilobytes.
        `gated` is "auto" or "manual". A missing owner is made.
        """
        body: dict[str, Any] = {"kind": kind, "id": repo_id, "private": private}
        body["files"] = {
            path: base64.b64encode(_bytes(content)).decode() for path, content in (files or {}).items()
        }
        body |= {name: value for name, value in (("like", like), ("gated", gated)) if value}
        return Repository(kind, repo_id, self.ask("POST", "/_mock/repositories", body)["sha"])

    def load_bundle(self, folder: Path | str) -> list[Repository]:
        """Put there what `bazaar record` kept of another hub."""
        return [
            self.add_repository(
                repository["kind"],
                repository["id"],
                files=dict(files),
                private=bool(repository["info"].get("private")),
                gated=repository["info"].get("gated") or None,
            )
            for repository, files in bundles.load(Path(folder))
        ]

    def add_user(self, name: str, *, scopes: str = "write,trade") -> str:
        """Somebody else; gives their access token."""
        return str(self.ask("POST", "/_mock/users", {"name": name, "scopes": scopes})["token"])

    # ---- what happened --------------------------------------------------------------------------

    @property
    def requests(self) -> list[Request]:
        """The requests of the code under test since the test began, oldest first."""
        return [
            Request(**{**record, "path": unquote(record["path"])})
            for record in self.ask("GET", "/_mock/requests")
        ]

    def forget_requests(self) -> None:
        self.ask("DELETE", "/_mock/requests")

    def reset(self) -> None:
        """Back to an empty hub without faults. Done before each test."""
        self.ask("POST", "/_mock/reset")

    # ---- the wire -------------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Call the hub's mock routes. Raises HubError with the hub's words."""
        data = json.dumps(body).encode() if body is not None else None
        for attempt in (1, 2):
            if self._connection is None:
                parts = urlsplit(self.url)
                self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
            try:
                self._connection.request(method, path, data)
                answer = self._connection.getresponse()
                text = answer.read()
                break
            except (OSError, http.client.HTTPException):
                # The server closes connections that were silent for long.
                self._connection.close()
                self._connection = None
                if attempt == 2:
                    raise
        if answer.status != 200:
            try:
                raise HubError(json.loads(text)["error"])
            except ValueError:
                words = self._log.read_text(errors="replace")[-3000:] if self._log else ""
                raise HubError(f"{method} {path} was answered with {answer.status}.\n{words}") from None
        return json.loads(text)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class Server:
    """The hub's process, started with whichever Python has it installed."""

    def __init__(self, python: str = sys.executable) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="model-hub-"))
        self.log = self.folder / "log"
        # A path must mean the same from there; and a `hub` in the project's folder is not ours.
        program = str(Path(python).absolute()) if os.sep in python else python
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - a Python of the caller's own choice
                [program, "-m", "bazaar_testing.server", self.folder, "--parent", str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                # Ctrl-C reaches pytest alone, which then stops the server.
                start_new_session=True,
            )

    def wait(self) -> str:
        """Its address, once it answers. Raises HubError with the server's last words."""
        address = self.folder / "address"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if address.exists():
                url = address.read_text()
                # The socket listens already: the question waits until the web process takes it up.
                if _answers(url):
                    return url
            time.sleep(0.02)
        words = self.log.read_text(errors="replace")[-3000:]
        raise HubError(f"The model hub did not start (is model-bazaar-testing[server] installed?):\n{words}")

    def stop(self) -> None:
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        # If no process of the group is left, Linux raises ProcessLookupError and macOS PermissionError.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _answers(url: str) -> bool:
    """True if a hub for tests answers there."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request("GET", "/_mock/about")
        # An answer that is not closed would keep the socket after its connection is closed.
        with connection.getresponse() as answer:
            return answer.status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _bytes(content: Content) -> bytes:
    if isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, Path):
        return content.read_bytes()
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode()
