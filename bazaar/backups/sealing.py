"""Encryption of what a backup stores: AES-256-GCM in pieces of 1 MiB, with a key of its own for each blob.

A sealed blob is `MAGIC`, 16 bytes of salt, and pieces of ciphertext. The nonce of a piece is its number and a
flag for the last one, so pieces cannot be exchanged, repeated or cut off.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bazaar.backups.errors import BackupFailed, Damaged

MAGIC = b"MBSEAL1\n"
SALT_BYTES = 16
PIECE_BYTES = 1024 * 1024
TAG_BYTES = 16
KEY_CHARS_MIN = 32


class Sealer:
    """Seals and opens blobs with the operator's key; without a key, blobs are stored as they are."""

    def __init__(self, key: str) -> None:
        """`key`: BAZAAR_BACKUP_KEY, or empty. Raises BackupFailed where it is too short."""
        if key and len(key) < KEY_CHARS_MIN:
            raise BackupFailed(f"BAZAAR_BACKUP_KEY has fewer than {KEY_CHARS_MIN} characters.")
        self._key = key.encode()

    @property
    def is_on(self) -> bool:
        return bool(self._key)

    def seal(self, plain: bytes) -> bytes:
        if not self._key:
            return plain
        salt = os.urandom(SALT_BYTES)
        cipher = self._cipher(salt)
        starts = range(0, max(len(plain), 1), PIECE_BYTES)
        pieces = [
            cipher.encrypt(
                _nonce(number, is_last=number == len(starts) - 1), plain[at : at + PIECE_BYTES], MAGIC
            )
            for number, at in enumerate(starts)
        ]
        return b"".join((MAGIC, salt, *pieces))

    def open(self, stored: bytes) -> bytes:
        """The plain bytes. Raises: BackupFailed (no key), Damaged (another key, or changed bytes)."""
        if not stored.startswith(MAGIC):
            if self._key:
                raise Damaged("It is not encrypted, although BAZAAR_BACKUP_KEY is set.")
            return stored
        if not self._key:
            raise BackupFailed("The backup is encrypted: set BAZAAR_BACKUP_KEY.")
        head = len(MAGIC) + SALT_BYTES
        cipher = self._cipher(stored[len(MAGIC) : head])
        starts = range(head, len(stored), PIECE_BYTES + TAG_BYTES)
        if not starts:
            raise Damaged("It is cut off.")
        try:
            return b"".join(
                cipher.decrypt(
                    _nonce(number, is_last=number == len(starts) - 1),
                    stored[at : at + PIECE_BYTES + TAG_BYTES],
                    MAGIC,
                )
                for number, at in enumerate(starts)
            )
        except InvalidTag:
            raise Damaged("It was changed, or BAZAAR_BACKUP_KEY is not the key it was made with.") from None

    def _cipher(self, salt: bytes) -> AESGCM:
        derived = HKDF(SHA256(), length=32, salt=salt, info=b"model-bazaar backup").derive(self._key)
        return AESGCM(derived)


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])
