"""The text of an access token: a prefix that clients and secret scanners know, and random characters."""

from __future__ import annotations

import re
import secrets
import string

# Clients of Hugging Face refuse tokens with another prefix before they send anything.
DEFAULT_PREFIX = "hf_"
RANDOM_CHARACTERS = 40
PREFIX = re.compile(r"[A-Za-z0-9_]{1,20}")
_ALPHABET = string.ascii_letters + string.digits


def new_token_text(prefix: str = DEFAULT_PREFIX) -> str:
    """A new secret of 238 random bits: the prefix and 40 letters and digits."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(RANDOM_CHARACTERS))
