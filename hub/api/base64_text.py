"""Base64 as the text of a JSON string, decoded piece by piece (RFC 4648 section 4, RFC 8259 section 7)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator

from hub.api.json import MalformedBody

_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{4}|[^u])", re.DOTALL)
# `\uXXXX` is the longest; one byte less may be all that has come.
_CUT_ESCAPE_BYTES_MAX = 5
_BLANKS = b" \t\r\n"
_ESCAPED = {b"\\n": b"", b"\\r": b"", b"\\t": b"", b"\\/": b"/"}


def decoded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes that the text between a JSON string's quotes means; blanks and line breaks are skipped.

    A piece may end anywhere, also inside an escape. Raises: MalformedBody.
    """
    raw = text = b""
    is_padded = False
    for piece in pieces:
        raw += piece
        whole = _whole(raw)
        text += _unescaped(raw[:whole])
        raw = raw[whole:]
        usable = len(text) - len(text) % 4
        if usable:
            if is_padded:
                raise _malformed()
            is_padded = text[usable - 1] == ord("=")
            yield _decode(text[:usable])
            text = text[usable:]
    if raw or (text and is_padded):
        raise _malformed()
    if text:
        yield _decode(text)


def _whole(raw: bytes) -> int:
    """The number of bytes at the end that are not part of an incomplete escape."""
    at = raw.rfind(b"\\", max(0, len(raw) - _CUT_ESCAPE_BYTES_MAX))
    return len(raw) if at < 0 or _ESCAPE.match(raw, at) else at


def _unescaped(text: bytes) -> bytes:
    if b"\\" in text:
        text = _ESCAPE.sub(_meaning, text)
    return text.translate(None, _BLANKS)


def _meaning(match: re.Match[bytes]) -> bytes:
    escape = match[0]
    if escape[1:2] == b"u":
        code = int.from_bytes(bytes.fromhex(escape[2:].decode()))
        if code < 128:
            return bytes([code])
    elif escape in _ESCAPED:
        return _ESCAPED[escape]
    raise _malformed()


def _decode(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _malformed() from None


def _malformed() -> MalformedBody:
    return MalformedBody(reason="a file's content is not base64")
