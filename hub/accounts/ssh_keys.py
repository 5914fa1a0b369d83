"""Public keys as OpenSSH writes them: read, checked, and known by their fingerprint.

Format: RFC 4253, section 6.6; the line of an `id_….pub` file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from django.utils.translation import gettext as _

from hub.accounts.errors import SshKeyInvalid

TEXT_CHARS_MAX = 16 * 1024
RSA_BITS_MIN = 2048
TYPES = frozenset(
    {
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    }
)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key without its comment. `fingerprint` as `ssh-keygen -l` prints it: SHA256:…"""

    kind: str
    body: str
    comment: str

    @property
    def fingerprint(self) -> str:
        return fingerprint(base64.b64decode(self.body))


def fingerprint(blob: bytes) -> str:
    digest = hashlib.sha256(blob).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def parse(text: str) -> PublicKey:
    """The key in a line of text. Raises: SshKeyInvalid."""
    if "PRIVATE KEY" in text:
        raise SshKeyInvalid(
            reason=_("this is a private key: never give it away; the public one ends in .pub")
        )
    words = text.split(maxsplit=2)
    if len(text) > TEXT_CHARS_MAX or len(words) < 2 or "\n" in text.strip():
        raise SshKeyInvalid(reason=_("one line is wanted, as `ssh-ed25519 AAAA… name`"))
    kind, body, comment = words[0], words[1], words[2] if len(words) > 2 else ""
    if kind not in TYPES:
        raise SshKeyInvalid(
            reason=_("keys of these types are taken: {types}").format(types=", ".join(sorted(TYPES)))
        )
    try:
        blob = base64.b64decode(body, validate=True)
        fields = _fields(blob)
    except (binascii.Error, ValueError):
        raise SshKeyInvalid(reason=_("the key is cut short")) from None
    if fields[0] != kind.encode() or len(fields) < 2:
        raise SshKeyInvalid(reason=_("the key is not of the type that it says"))
    if kind == "ssh-rsa" and int.from_bytes(fields[-1], "big").bit_length() < RSA_BITS_MIN:
        raise SshKeyInvalid(reason=_("an RSA key has at least {limit} bits").format(limit=RSA_BITS_MIN))
    return PublicKey(kind, base64.b64encode(blob).decode(), comment.strip()[:80])


def _fields(blob: bytes) -> list[bytes]:
    """The length-prefixed parts of a key. Raises: ValueError."""
    found = []
    while blob:
        size = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + size:
            raise ValueError("cut short")
        found.append(blob[4 : 4 + size])
        blob = blob[4 + size :]
    if not found:
        raise ValueError("empty")
    return found
