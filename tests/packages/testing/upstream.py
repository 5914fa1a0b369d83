"""A hub that is not ours: the documented wire of Hugging Face, as its own server speaks it.

Files lie on another origin, to which requests are redirected with a signed address that refuses a token;
trees come in pages by `Link`; a gated repository is 403, a private or missing one 401; a client that is too
fast gets 429.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

SHA = "0123456789abcdef0123456789abcdef01234567"
PAGE = 2


@dataclass
class Upstream:
    """A hub. `repositories`: `models/owner/name` → path → bytes; `asked`: the requested paths."""

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    busy: int = 0  # this many requests get 429 first
    asked: list[str] = field(default_factory=list)
    url: str = ""
    storage_url: str = ""

    def tree(self, name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = [{"type": "directory", "oid": "1" * 40, "size": 0, "path": "sub"}]
        for path, data in sorted(self.repositories[name].items()):
            row: dict[str, Any] = {"type": "file", "oid": "2" * 40, "size": len(data), "path": path}
            if path.endswith(".bin"):
                row["lfs"] = {"oid": "3" * 64, "size": len(data), "pointerSize": 134}
                row["xetHash"] = "4" * 64
            rows.append(row)
        return rows


@contextmanager
def running() -> Iterator[Upstream]:
    """Both origins, until the block ends."""
    upstream = Upstream()
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler(upstream, one)) for one in (_hub, _storage)]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    # Two names of one machine are two origins.
    upstream.url = f"http://127.0.0.1:{servers[0].server_port}"
    upstream.storage_url = f"http://localhost:{servers[1].server_port}"
    try:
        yield upstream
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


Answer = tuple[int, dict[str, str], bytes]


def _handler(upstream: Upstream, answer: Any) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            upstream.asked.append(self.path)
            status, headers, body = answer(upstream, self.path, self.headers.get("Authorization"))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def _json(status: int, value: Any, **headers: str) -> Answer:
    return status, {"Content-Type": "application/json", **headers}, json.dumps(value).encode()


def _refused(status: int, code: str, message: str) -> Answer:
    return _json(status, {"error": message}, **{"X-Error-Code": code, "X-Error-Message": message})


def _hub(upstream: Upstream, address: str, token: str | None) -> Answer:
    if upstream.busy:
        upstream.busy -= 1
        return _json(429, {"error": "We had to rate limit you."}, **{"Retry-After": "1"})
    parts = urlsplit(address)
    words = unquote(parts.path).strip("/").split("/")
    if words[0] == "api":
        name, rest = "/".join(words[1:4]), words[4:]
    else:
        kind = words.pop(0) if words[0] in {"datasets", "spaces"} else "models"
        name, rest = "/".join([kind, *words[:2]]), words[2:]
    if name not in upstream.repositories:
        return _refused(401, "RepoNotFound", "Invalid username or password.")
    if not rest:
        # Not every answer has every field: this one has no siblings, and says "auto" of its gate.
        info = {"id": name.partition("/")[2], "sha": SHA, "private": False}
        return _json(200, info | {"gated": "auto" if name in upstream.gated else False})
    if rest[0] == "tree":
        rows, query = upstream.tree(name), parse_qs(parts.query)
        start = int(query.get("cursor", ["0"])[0])
        more = {}
        if start + PAGE < len(rows):
            following = f"{upstream.url}{parts.path}?recursive=true&cursor={start + PAGE}"
            more = {"Link": f'<{upstream.url}{parts.path}>; rel="first", <{following}>; rel="next"'}
        return _json(200, rows[start : start + PAGE], **more)
    if name in upstream.gated and token is None:
        return _refused(403, "GatedRepo", "Access to this repository is restricted.")
    path = "/".join(rest[2:])
    if path.endswith(".bin"):
        return 302, {"Location": f"{upstream.storage_url}/{name}/{path}?Signature=s"}, b""
    return 200, {"ETag": '"2"'}, upstream.repositories[name][path]


def _storage(upstream: Upstream, address: str, token: str | None) -> Answer:
    if token is not None:
        return 400, {}, b"<Error><Code>InvalidArgument</Code></Error>"
    kind, owner, name, *path = urlsplit(address).path.strip("/").split("/")
    return 200, {}, upstream.repositories[f"{kind}/{owner}/{name}"]["/".join(path)]
