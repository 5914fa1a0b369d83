"""Untrusted text to HTML, within limits: what pages and answers call.

The work happens in a renderer process (ADR 0144), so neither a slow lexer nor a hostile card holds this
process's interpreter lock. Results are cached by content, at most `CACHE_CHARS_MAX` characters in a process.
A text that cannot be rendered in time is shown as it was written.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from hub.markup.code import COLOURED_CHARS_MAX
from hub.markup.markdown import TEXT_CHARS_MAX, Base
from hub.markup.processes import renderers

CACHE_CHARS_MAX = 16_000_000
# One entry may take at most this much, so that a few large ones do not drive out all others.
ENTRY_CHARS_MAX = 1_000_000
# Shorter code has no colours worth a trip to another process.
PLAIN_CODE_CHARS = 2


class Code(NamedTuple):
    """Source code and how to find its lexer: by language, else by file name."""

    text: str
    language: str = ""
    filename: str = ""


def markdown(text: str, base: Base | None = None, *, mentions: bool = False) -> SafeString:
    """HTML of one text, sanitized. Never raises for what people write; too much of it is cut."""
    return markdown_all([text], base, mentions=mentions)[0]


def markdown_all(
    texts: Sequence[str], base: Base | None = None, *, mentions: bool = False
) -> list[SafeString]:
    """As `markdown`, for all texts of one page: they share the time that one call may take."""
    base = base or Base()
    jobs = [
        {
            "kind": "markdown",
            "text": text[:TEXT_CHARS_MAX],
            "pages": base.pages,
            "files": base.files,
            "mentions": mentions,
        }
        for text in texts
    ]
    plain = [f'<pre class="as-written">{escape(job["text"])}</pre>' for job in jobs]
    return _rendered(jobs, plain)


def code(text: str, *, language: str = "", filename: str = "") -> SafeString:
    """Source code as spans with classes, without the surrounding `<pre>`."""
    return code_all([Code(text, language, filename)])[0]


def code_all(pieces: Sequence[Code]) -> list[SafeString]:
    """As `code`, for all pieces of one page."""
    jobs = [{"kind": "code", **piece._asdict()} for piece in pieces]
    return _rendered(jobs, [escape(piece.text) for piece in pieces])


class Cache:
    """Rendered HTML by the content it was made from; the least recently used entries go first."""

    def __init__(self, chars_max: int) -> None:
        self._chars_max, self._chars = chars_max, 0
        self._entries: OrderedDict[bytes, str | None] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> tuple[bool, str | None]:
        """(True if the key is known, its HTML); the HTML is None for a text that cannot be rendered."""
        with self._lock:
            if key not in self._entries:
                return False, None
            self._entries.move_to_end(key)
            return True, self._entries[key]

    def put(self, key: bytes, html: str | None) -> None:
        weight = self._weight(html)
        if weight > ENTRY_CHARS_MAX:
            return
        with self._lock:
            if key in self._entries:
                self._chars -= self._weight(self._entries.pop(key))
            self._entries[key] = html
            self._chars += weight
            while self._chars > self._chars_max:
                self._chars -= self._weight(self._entries.popitem(last=False)[1])

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._chars = 0

    @staticmethod
    def _weight(html: str | None) -> int:
        return 200 + len(html or "")


cache = Cache(CACHE_CHARS_MAX)


def _key(job: dict[str, Any]) -> bytes:
    digest = hashlib.sha256()
    for name in sorted(job):
        value = str(job[name]).encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(value) + value)
    return digest.digest()


def _rendered(jobs: Sequence[dict[str, Any]], plain: Sequence[str]) -> list[SafeString]:
    """Each job's HTML from the cache or a renderer, else its plain form."""
    found: list[str | None] = []
    wanted: dict[bytes, dict[str, Any]] = {}
    keys = [_key(job) for job in jobs]
    for key, job in zip(keys, jobs, strict=True):
        is_known, html = cache.get(key)
        found.append(html)
        if not is_known and not _is_plain(job):
            wanted[key] = job
    if wanted:
        made: dict[bytes, str | None] = {}
        for key, outcome in zip(wanted, renderers.run(list(wanted.values())), strict=True):
            made[key] = outcome.html
            if outcome.is_final:
                cache.put(key, outcome.html)
        found = [made.get(key, html) for key, html in zip(keys, found, strict=True)]
    return [
        mark_safe(text if html is None else html)  # noqa: S308 - the renderer's is sanitized, plain is escaped
        for html, text in zip(found, plain, strict=True)
    ]


def _is_plain(job: dict[str, Any]) -> bool:
    """Nothing to render: no text, or code that no lexer takes or that is too long for colours."""
    if job["kind"] == "markdown":
        return not job["text"]
    is_short = PLAIN_CODE_CHARS < len(job["text"]) <= COLOURED_CHARS_MAX
    return not is_short or not (job["language"] or job["filename"])
