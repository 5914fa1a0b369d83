"""Public identifiers of rows that a wire names by 24 hexadecimal digits."""

from __future__ import annotations

import secrets

KEY_CHARS = 24


def new_key() -> str:
    """24 lower-case hex digits that cannot be guessed."""
    return secrets.token_hex(KEY_CHARS // 2)
