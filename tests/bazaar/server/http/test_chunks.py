"""The chunked coding, whole and in pieces of every size."""

from __future__ import annotations

import pytest

from bazaar.server.http.chunks import BadChunk, ChunkDecoder

NEXT = b"GET /next HTTP/1.1\r\n"


def decode(coded: bytes, *, step: int = 1 << 20, size_max: int = 1 << 20) -> tuple[bytes, bytes, bool]:
    """(the data, what is left in the buffer, whether the end was found), given so many bytes at a time."""
    decoder, buffer, parts = ChunkDecoder(), bytearray(), []
    for start in range(0, len(coded), step):
        buffer += coded[start : start + step]
        while data := decoder.take(buffer, size_max):
            parts.append(data)
    return b"".join(parts), bytes(buffer), decoder.is_complete


class TestChunkDecoder:
    @pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
    def test_finds_data_and_end_however_the_bytes_arrive(self, step: int) -> None:
        coded = b"5\r\nhello\r\n00B\r\n big\r\nworld\r\n0\r\n\r\n"
        assert decode(coded + NEXT, step=step) == (b"hello big\r\nworld", NEXT, True)

    def test_gives_no_more_than_asked_for(self) -> None:
        decoder, buffer = ChunkDecoder(), bytearray(b"5\r\nhello\r\n0\r\n\r\n")
        assert [decoder.take(buffer, 2) for _ in range(4)] == [b"he", b"ll", b"o", b""]

    def test_skips_extensions_and_trailers(self) -> None:
        coded = b'3;name="value";x\r\nabc\r\n0;last\r\nTrailer: a\r\nOther: b\r\n\r\n'
        assert decode(coded + NEXT) == (b"abc", NEXT, True)

    def test_waits_for_what_is_missing(self) -> None:
        assert decode(b"5\r\nhel") == (b"hel", b"", False)
        assert decode(b"5\r\nhello\r\n0\r\n") == (b"hello", b"", False)

    @pytest.mark.parametrize(
        "coded",
        [
            b"+3\r\nabc\r\n",
            b"-3\r\nabc\r\n",
            b"0x3\r\nabc\r\n",
            b" 3\r\nabc\r\n",
            b"3g\r\nabc\r\n",
            b"\r\nabc\r\n",
            b"3\nabc\r\n",
            b"3\r\r\nabc\r\n",
            b"3;a\rb\r\nabc\r\n",
            b"3;a\x00b\r\nabc\r\n",
            b"3\r\nabcd\r\n",
            b"3\r\nabc\n0\r\n\r\n",
            b"ffffffffffffffffff\r\n",
            b"0\r\nno trailer\r\n\r\n",
            b"0\r\nA: b\nC: d\r\n\r\n",
            b"0\r\n folded: a\r\n\r\n",
            b"3;" + b"x" * 5000,
            b"0\r\n" + b"A: b\r\n" * 5000,
        ],
    )
    @pytest.mark.parametrize("step", [1, 1 << 20])
    def test_refuses_what_is_malformed(self, coded: bytes, step: int) -> None:
        with pytest.raises(BadChunk):
            decode(coded, step=step)
