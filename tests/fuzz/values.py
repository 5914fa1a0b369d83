"""Values that break parsers, and the names under which this project's views look for values."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("hub", "compute_market", "bazaar")
# `GET.get("x")`, `POST["x"]`, `query_params.getlist("x")`, `x = serializers.CharField(`
READS = re.compile(
    r"""(?:GET|POST|query_params|body|data|query|params)(?:\.get|\.getlist|\.pop)?[\[(]\s*"([A-Za-z_][\w.-]{0,40})"
    |_of\(\s*\w+,\s*"([A-Za-z_][\w.-]{0,40})"
    |^\s+([a-z_]\w{0,40})\s=\s(?:serializers|forms)\.""",
    re.VERBOSE | re.MULTILINE,
)
HEADERS = (
    *("Range", "If-Range", "If-None-Match", "If-Match", "If-Modified-Since", "Accept", "Accept-Language"),
    *("Accept-Encoding", "Authorization", "Cookie", "Content-Encoding", "Content-Range", "Git-Protocol"),
    *("HX-Request", "HX-Current-URL", "HX-Target", "HX-Trigger-Name", "Origin", "Referer", "Last-Event-ID"),
    *("User-Agent", "X-Request-Id", "X-Forwarded-For", "X-CSRFToken", "X-Bazaar-Agent", "Sec-Fetch-Dest"),
)
CONTENT_TYPES = (
    *(
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
    ),
    *(
        "application/x-ndjson",
        "application/octet-stream",
        "application/vnd.git-lfs+json",
        "",
        "multipart/form-data",
    ),
    *(
        "application/x-git-upload-pack-request",
        "application/json; charset=utf-7",
        "application/json; charset=\0",
    ),
)
TEXTS = (
    *(
        "",
        " ",
        "\0",
        "a\0b",
        "\x1b[2J",
        "\x7f",
        "\r\nX-Evil: 1",
        "\n",
        "\t",
        "\u2028",
        "\u202e",
        "\ufeff",
        "\ufffd",
    ),
    *("..", "../..", "..\\..", "/", "//", "\\", ".git", "-", "--upload-pack=x", "%", "%00", "%zz", "%2e%2e"),
    *(
        "null",
        "NaN",
        "Infinity",
        "-0",
        "0",
        "-1",
        "1",
        "1.5",
        "1e309",
        "0x10",
        "٣",
        "²",
        "9" * 19,
        "9" * 30,
        "9" * 4400,
    ),
    *(
        "true",
        "no",
        "[]",
        "{}",
        "<script>",
        "'",
        '"',
        "`",
        "$x^2$",
        "a" * 300,
        "a" * 5000,
        "é",
        "名字",
        "😀",
        "e\u0301",
    ),
    *("2026-07-01T12:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-02-30", "24:00", "+6h"),
    *(
        "http://[::",
        "http://[::1",
        "//evil.example",
        "javascript:1",
        "bytes=0-0",
        "bytes=" + "9" * 4400 + "-",
        "bytes=-",
    ),
    *(
        '"etag"',
        'W/"x"',
        "*",
        ",,,",
        "*a*a*a*b",
        "**/**/x",
        "[",
        "(",
        "a:b:c",
        "sha256:" + "0" * 64,
        "0" * 64,
        "0" * 40,
    ),
    *(
        "gzip",
        "Bearer ",
        "Bearer hf_x",
        "Basic !!!",
        "Basic Og==",
        "Token x",
        "en;q=1e999",
        "zh-hans",
        'a=b; c="',
        "=?=",
    ),
)
LONE_SURROGATE = "\ud800"


FIELDS = re.compile(r"^    (\w+): (?!.*name=)|\bname=\"([\w-]+)\"", re.MULTILINE)


@cache
def names() -> tuple[str, ...]:
    """Parameters and fields that some view reads, found in the source."""
    found = {
        name for package in PACKAGES for path in (ROOT / package).rglob("*.py") for name in _names_in(path)
    }
    assert len(found) > 200
    return tuple(sorted(found))


@cache
def names_of(modules: tuple[str, ...]) -> tuple[str, ...]:
    """Those that the modules of one route read, and the modules of the project that they import by name."""
    paths = {ROOT / f"{name.replace('.', '/')}.py" for name in modules}
    found = {name for path in paths if path.exists() for name in _names_in(path)}
    return tuple(sorted(found)) or names()


def _names_in(path: Path) -> set[str]:
    text = path.read_text()
    found = {name for match in READS.findall(text) for name in match if name}
    # A body that is declared as a struct is read by the names of its fields.
    if path.name == "bodies.py":
        found |= {name for match in FIELDS.findall(text) for name in match if name}
    return found


def name(random: Random, modules: tuple[str, ...]) -> str:
    """A parameter's name: most often one that the route reads."""
    return random.choice(names_of(modules) if random.random() < 0.8 else names())


def text(random: Random, known: list[str]) -> str:
    """A value that stands for something, or one that breaks parsers."""
    return random.choice(known) if known and random.random() < 0.45 else random.choice(TEXTS)


def value(random: Random, known: list[str], modules: tuple[str, ...], depth: int = 0) -> Any:
    """Anything that JSON can say."""
    pick = random.random()
    if pick < 0.5 or depth > 3:
        return text(random, known)
    if pick < 0.7:
        return random.choice(
            [None, True, False, 0, 1, -1, 2**31, 2**63, -(2**63) - 1, 10**400, 1.5, 1e308, LONE_SURROGATE]
        )
    if pick < 0.85:
        return [value(random, known, modules, depth + 1) for _ in range(random.randrange(4))]
    return {
        name(random, modules): value(random, known, modules, depth + 1) for _ in range(random.randrange(5))
    }
