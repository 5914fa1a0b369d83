"""A picture for a name: a small tile pattern, the same for the same name, with no request to anybody."""

from __future__ import annotations

import hashlib

from django.utils.safestring import SafeString, mark_safe

# Ground and figure, in pairs that hold their contrast on light and on dark pages.
PALETTE = (
    ("#0d5c63", "#bfe3dd"),
    ("#a93f24", "#f7d2c1"),
    ("#8a6408", "#f6e3ae"),
    ("#76376f", "#ecd0e8"),
    ("#2b4c8c", "#cddcf5"),
    ("#256b3a", "#cdebd2"),
    ("#5a4a3b", "#eadfcf"),
    ("#3c3f6b", "#d8d9f1"),
)
# Each shape fills one unit square at (x, y).
SHAPES = (
    "M{x} {y}h1v1z",
    "M{x} {y}h1v1h-1z",
    "M{x} {y}a1 1 0 0 0 1 1v-1z",
    "M{x} {y}v1h1z",
    "M{x} {y}m.5 0 .5.5-.5.5-.5-.5z",
    "",
)


def tile(name: str, *, size_px: int = 24) -> SafeString:
    """An inline SVG of 3 × 3 tiles, mirrored, drawn from the name's hash. Decorative: hidden from readers."""
    bits = hashlib.sha256(name.lower().encode()).digest()
    ground, figure = PALETTE[bits[0] % len(PALETTE)]
    path = ""
    for row in range(4):
        for column in range(2):
            shape = SHAPES[bits[1 + row * 2 + column] % len(SHAPES)]
            path += shape.format(x=column, y=row)
    return mark_safe(  # noqa: S308 - built from constants and numbers only
        f'<svg class="avatar" width="{size_px}" height="{size_px}" viewBox="0 0 4 4" aria-hidden="true">'
        f'<rect width="4" height="4" fill="{ground}"/><g fill="{figure}"><path d="{path}"/>'
        f'<path d="{path}" transform="matrix(-1 0 0 1 4 0)"/></g></svg>'
    )
