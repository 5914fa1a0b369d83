"""The start of a page of a tree: by this hub's own cursors, and by those that a client makes itself."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

import orjson

from foundation.errors import Invalid
from hub.gitstore import TreeItem

CURSOR_CHARS_MAX = 8192
SKIP_MAX = 1 << 31


class Start(NamedTuple):
    """`skip` entries are left out, or all up to the one named `after`; a page has at most `limit`."""

    limit: int
    skip: int = 0
    after: str | None = None


class Page(NamedTuple):
    """`next` is the cursor of the page that follows, None after the last."""

    items: list[TreeItem]
    next: int | None


def read(cursor: str | None, *, size: int) -> Start:
    """The start that a cursor names; pages have at most `size` entries.

    This hub's cursor is the number of entries before the page. text-generation-webui makes its own, as
    huggingface.co makes them: base64 of (base64 of `{"file_name": "last one seen"}`, a colon, the page size).
    Raises: Invalid for any other; with a first page in its place such a client would never stop.
    """
    if not cursor:
        return Start(size)
    if len(cursor) > CURSOR_CHARS_MAX:
        raise Invalid(reason="“cursor” is too long.")
    if cursor.isascii() and cursor.isdecimal():
        return Start(size, skip=min(int(cursor[:12]), SKIP_MAX))
    try:
        inner, _, limit = base64.b64decode(cursor, validate=True).decode("ascii").rpartition(":")
        after = orjson.loads(base64.b64decode(inner, validate=True))["file_name"]
        wanted = int(limit[:6])
    except (binascii.Error, ValueError, TypeError, KeyError):
        after, wanted = None, 0
    if not isinstance(after, str):
        raise Invalid(reason="“cursor” is not one that this hub gave.")
    return Start(max(1, min(wanted, size)), after=after)


def page(items: Iterable[TreeItem], start: Start, limit: int) -> Page:
    """The page of a tree that begins there."""
    skip = start.skip
    if start.after is not None:
        listed = list(items)
        skip = _place_after(listed, start.after)
        items = listed
    found = list(islice(items, skip, skip + limit + 1))
    return Page(found[:limit], skip + limit if len(found) > limit else None)


def _place_after(items: list[TreeItem], name: str) -> int:
    """The number of entries up to and including `name`. A deleted entry keeps its place in git's order."""
    for number, item in enumerate(items, 1):
        if item.path == name:
            return number
    wanted = name.encode(errors="surrogateescape")
    return sum(_order(item) < wanted for item in items)


def _order(item: TreeItem) -> bytes:
    """Git's sort key: a folder sorts as if its name ended with a slash."""
    path = f"{item.path}/" if item.kind == "directory" else item.path
    return path.encode(errors="surrogateescape")
