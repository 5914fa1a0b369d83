"""One random call from one seed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote, quote_from_bytes

from tests.fuzz import described, values
from tests.fuzz.routes import Groups, Route, Variable
from tests.fuzz.world import World

METHODS = ("GET", "GET", "GET", "POST", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")
BROKEN_BYTES = (b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\x00", b"\x1b", b"\x0a", b"\xe2\x80\xa8")
DEEP = 100_000
DESCRIBED_SHARE = 0.35
IN_BRACES = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it would come over the wire: the path is percent-encoded."""

    method: str
    path: str
    query: str
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = ""
    body: bytes = b""
    user: str = ""
    by_session: bool = False

    def __str__(self) -> str:
        who = f"{self.user or 'nobody'}{' by session' if self.by_session else ''}"
        address = f"{self.path}?{self.query}"
        return (
            f"{self.method} {address[:400]} as {who}, {self.headers!r:.300}, {self.content_type!r}"
            f" {len(self.body)} bytes {self.body[:300]!r}"
        )


def make(seed: int, groups: Groups, world: World) -> Call:
    """The call of this seed: the same seed gives the same call."""
    random = Random(seed)
    if random.random() < DESCRIBED_SHARE:
        return _described(random, world)
    route = random.choice(random.choice(groups))
    method = random.choice(METHODS)
    content_type, body = _body(random, world, route.modules) if method not in {"GET", "HEAD"} else ("", b"")
    return Call(
        method=method,
        path=_path(random, route, world),
        query=_query(random, world, route.modules),
        headers=_headers(random, world),
        content_type=content_type,
        body=body,
        user=random.choice(["", "alice", "alice", "mallory"]),
        by_session=random.random() < 0.3,
    )


def _described(random: Random, world: World) -> Call:
    """A call of the OpenAPI description."""
    operation = random.choice(described.operations())
    is_broken = random.random() < 0.6
    path = IN_BRACES.sub(lambda found: _described_segment(random, found[1], world), operation.path)
    pieces = []
    for parameter in operation.query:
        if random.random() < 0.4:
            text = _as_text(random, parameter["schema"], world, is_broken=is_broken)
            pieces.append(f"{parameter['name']}={quote(text[:6000])}")
    body = b""
    if operation.body is not None:
        value = described.sample(random, operation.body, world.known)
        body = json.dumps(described.break_one(random, value, world.known) if is_broken else value).encode()
    return Call(
        method=operation.method,
        path=path,
        query="&".join(pieces),
        headers=_headers(random, world) if random.random() < 0.2 else {},
        content_type="application/json",
        body=body,
        user=random.choice(["", "alice", "alice", "alice", "mallory"]),
        by_session=random.random() < 0.2,
    )


def _described_segment(random: Random, name: str, world: World) -> str:
    if random.random() < 0.1:
        return _odd_segment(random)
    return quote(_fitting(random, Variable(name, "int" if name.endswith("_id") else "str"), world), safe="/")


def _as_text(random: Random, schema: dict[str, Any], world: World, *, is_broken: bool) -> str:
    if is_broken and random.random() < 0.5:
        return values.text(random, world.known)
    found = described.sample(random, schema, world.known)
    return found if isinstance(found, str) else json.dumps(found)


def _path(random: Random, route: Route, world: World) -> str:
    pieces = []
    is_odd = random.random() < 0.25
    for part in route.parts:
        if not isinstance(part, Variable):
            pieces.append(part)
        elif part.choices and random.random() < 0.95:
            pieces.append(random.choice(part.choices))
        elif is_odd and random.random() < 0.5:
            pieces.append(_odd_segment(random))
        else:
            pieces.append(quote(_fitting(random, part, world), safe="/" if part.converter == "rest" else ""))
    return "/" + "".join(pieces)


def _fitting(random: Random, part: Variable, world: World) -> str:
    if part.converter == "repo_id":
        return random.choice(["alice/model-1", "alice/dataset-1", "alice/space-1", "alice/none"])
    if part.converter == "int":
        return random.choice(["1", "2", "0", "9" * 19, "9" * 30])
    if "namespace" in part.name or part.name in {"owner", "user"}:
        return random.choice(["alice", "mallory", "acme"])
    if part.name in {"slug", "product"}:
        return random.choice([world.product, "none"])
    if part.name in {"name", "repo"}:
        return random.choice(["model-1", "dataset-1", "space-1", "none"])
    if "revision" in part.name or part.name in {"rev", "ref", "branch"}:
        return random.choice(["main", "feat/x", "refs/pr/1", "none", "0" * 40])
    if part.converter == "rest" or "path" in part.name:
        return random.choice(["a.txt", "README.md", "book.ipynb", "none", "feat/x/a.txt", "main...feat/x"])
    return values.text(random, world.known).replace("\0", "") or "x"


def _odd_segment(random: Random) -> str:
    if random.random() < 0.4:
        return "a" + quote_from_bytes(random.choice(BROKEN_BYTES)) + "b"
    found = random.choice(values.TEXTS)[:2000]
    return quote(found, safe=random.choice(["", "/"])) or "%20"


def _query(random: Random, world: World, modules: tuple[str, ...]) -> str:
    pieces = []
    for _ in range(random.choice([0, 0, 1, 1, 2, 4])):
        name = values.name(random, modules)
        if random.random() < 0.05:
            pieces.append(f"{name}={quote_from_bytes(random.choice(BROKEN_BYTES))}")
            continue
        pieces.append(f"{quote(name)}={quote(values.text(random, world.known)[:6000])}")
        if random.random() < 0.1:
            pieces.append(pieces[-1])
    return "&".join(pieces)


def _headers(random: Random, world: World) -> dict[str, str]:
    """Headers that a server accepts: no control characters, Latin-1 only."""
    found = {}
    for _ in range(random.choice([0, 0, 0, 1, 2])):
        text = values.text(random, world.known).encode("latin-1", "replace").decode("latin-1")
        found[random.choice(values.HEADERS)] = "".join(c for c in text if c >= " " and c != "\x7f")[:8000]
    return found


def _body(random: Random, world: World, modules: tuple[str, ...]) -> tuple[str, bytes]:
    content_type = random.choice(values.CONTENT_TYPES).replace("\0", "")
    kind = random.random()
    if kind < 0.55:
        content_type = content_type if random.random() < 0.1 else "application/json"
        return content_type, json.dumps(
            {
                values.name(random, modules): values.value(random, world.known, modules)
                for _ in range(random.randrange(6))
            }
        ).encode()
    if kind < 0.75:
        pairs = [
            f"{quote(values.name(random, modules))}={quote(values.text(random, world.known)[:3000])}"
            for _ in range(random.randrange(6))
        ]
        return "application/x-www-form-urlencoded", "&".join(pairs).encode()
    if kind < 0.8:
        opened = random.choice([b"[", b'{"a":'])
        return "application/json", opened * DEEP
    if kind < 0.85:
        lines = [
            json.dumps(
                {"key": random.choice(["header", "file", "lfsFile", "deletedFile", "x"]), "value": v}
            ).encode()
            for v in (values.value(random, world.known, modules) for _ in range(random.randrange(4)))
        ]
        return "application/x-ndjson", b"\n".join(lines)
    if kind < 0.92:
        part = values.text(random, world.known)
        name = values.name(random, modules)
        head = f'Content-Disposition: form-data; name="{name}"; filename="{part}"'
        text = f"--x\r\n{head}\r\n\r\n{part}\r\n--x--\r\n"
        return "multipart/form-data; boundary=x", text.encode("utf-8", "replace")
    return content_type, random.choice(
        [
            b"",
            b"\0" * 100,
            b"0032want " + b"0" * 40 + b"\n0000",
            b"\x1f\x8b\x08\0\0\0\0\0",
            b"9" * 5000,
            b"{",
            b"\xff\xfe{}",
        ]
    )
