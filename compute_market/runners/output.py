"""Cuts a work's output into pieces of text that the hub can store."""

from __future__ import annotations

PIECE_BYTES = 48 * 1024
# Line ends, tabs, what progress bars and colours need. Other control characters are replaced.
KEPT_CONTROLS = frozenset("\n\r\t\b\x1b")
_REPLACED = {
    code: "\N{REPLACEMENT CHARACTER}"
    for code in (*range(0x20), *range(0x7F, 0xA0))
    if chr(code) not in KEPT_CONTROLS
}


def text_of(piece: bytes) -> str:
    """The piece as text: what is no UTF-8, NUL and other control characters are replaced."""
    return piece.decode(errors="replace").translate(_REPLACED)


def whole_characters(piece: bytes, *, final: bool) -> bytes:
    """A piece of output without the start of a character at its end, unless no more will come."""
    if final:
        return piece
    for back in range(1, min(4, len(piece)) + 1):
        byte = piece[-back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return piece[:-back] if back < length else piece
        if byte < 0x80:
            return piece
    return piece
