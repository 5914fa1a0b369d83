"""The event loop does little work for a body, in whatever pieces the client sends it; the work is counted."""

from __future__ import annotations

import pytest

from bazaar.server.http.heads import Head
from bazaar.server.http.requests import LOOP_LINES_MAX, Request

BUFFERED_BYTES = 256 * 1024
RECEIVED_BYTES = 64 * 1024


def chunks(count: int, size: int, extension: bytes = b"") -> bytes:
    return (b"%x%b\r\n%b\r\n" % (size, extension, b"x" * size)) * count


class TestTheLoop:
    @pytest.mark.parametrize("piece", [chunks(1, 1), chunks(1, 1, b";" + b"e" * 100), chunks(1, 15)])
    def test_reads_a_limited_number_of_tiny_chunks(self, piece: bytes) -> None:
        """Then the request is a thread's. Bytes received so far are buffered, or read ahead."""
        request, buffer, taken = Request(Head(length=None)), bytearray(), 0
        while not request.is_costly:
            buffer += (piece * RECEIVED_BYTES)[:RECEIVED_BYTES]
            assert not request.take(buffer, BUFFERED_BYTES)
            taken += RECEIVED_BYTES
        assert request.decoder is not None
        # Two lines a chunk; the last one read may have been the first of two.
        assert request.decoder.lines <= LOOP_LINES_MAX + 2
        lines_left = request.decoder.lines
        for _ in range(10):
            request.take(buffer, BUFFERED_BYTES)
        assert request.decoder.lines == lines_left
        assert len(request.ahead) + len(buffer) <= taken

    def test_reads_usual_chunks_itself(self) -> None:
        request, buffer = Request(Head(length=None)), bytearray(chunks(60, 4000) + b"0\r\n\r\n")
        assert request.take(buffer, BUFFERED_BYTES)
        assert not request.is_costly
        assert len(request.ahead) == 60 * 4000
