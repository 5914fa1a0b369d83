"""Sealed blobs open with their key alone, and whole."""

from __future__ import annotations

import pytest

from bazaar.backups.errors import BackupFailed, Damaged
from bazaar.backups.sealing import MAGIC, PIECE_BYTES, SALT_BYTES, TAG_BYTES, Sealer

KEY = "a key that is long enough for this, surely"
HEAD = len(MAGIC) + SALT_BYTES
PIECE = PIECE_BYTES + TAG_BYTES


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
def test_any_size_comes_back(size: int) -> None:
    plain = bytes(index % 251 for index in range(size))
    sealed = Sealer(KEY).seal(plain)
    # A single byte may stand in a sealed one by chance.
    assert size < 64 or plain[:64] not in sealed
    assert Sealer(KEY).open(sealed) == plain


def test_same_content_is_never_sealed_the_same_way() -> None:
    assert Sealer(KEY).seal(b"twice") != Sealer(KEY).seal(b"twice")


class TestDamage:
    def test_of_any_byte_is_seen(self) -> None:
        sealed = Sealer(KEY).seal(b"some words")
        for place in range(len(MAGIC), len(sealed)):
            changed = bytearray(sealed)
            changed[place] ^= 1
            with pytest.raises(Damaged):
                Sealer(KEY).open(bytes(changed))

    def test_of_whole_pieces_is_seen(self) -> None:
        sealed = Sealer(KEY).seal(bytes(3 * PIECE_BYTES))
        head, pieces = sealed[:HEAD], [sealed[HEAD + n * PIECE : HEAD + (n + 1) * PIECE] for n in range(3)]
        for wrong in (pieces[:2], [pieces[1], pieces[0], pieces[2]], [*pieces, pieces[2]], []):
            with pytest.raises(Damaged):
                Sealer(KEY).open(head + b"".join(wrong))


class TestKeys:
    def test_another_one_opens_nothing(self) -> None:
        with pytest.raises(Damaged, match="not the key"):
            Sealer(KEY[::-1]).open(Sealer(KEY).seal(b"secret"))

    def test_none_is_asked_for(self) -> None:
        with pytest.raises(BackupFailed, match="set BAZAAR_BACKUP_KEY"):
            Sealer("").open(Sealer(KEY).seal(b"secret"))

    def test_a_plain_blob_is_no_sealed_one(self) -> None:
        with pytest.raises(Damaged, match="not encrypted"):
            Sealer(KEY).open(b"put there by somebody else")

    def test_short_ones_are_refused(self) -> None:
        with pytest.raises(BackupFailed, match="32"):
            Sealer("short")
