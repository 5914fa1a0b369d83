"""A request's body gives as many bytes as its caller may send, and one more to learn that there are more."""

from __future__ import annotations

import io

import pytest
from pytest_django.fixtures import Settings

from foundation import bodies
from foundation.bodies import UNKNOWN_BYTES_MAX, BodyRefused, BoundedBody


class TestBoundedBody:
    def body(self, size: int, *, may: int = 0) -> BoundedBody:
        return BoundedBody(io.BytesIO(b"a" * size), lambda: may)

    def test_gives_all_of_a_short_body(self) -> None:
        body = self.body(UNKNOWN_BYTES_MAX)
        assert len(body.read()) == UNKNOWN_BYTES_MAX
        assert body.read() == body.read(1) == body.readline() == b""

    @pytest.mark.parametrize("size", [-1, None, 1 << 40])
    def test_refuses_a_longer_one_in_one_read(self, size: int | None) -> None:
        with pytest.raises(BodyRefused, match=str(UNKNOWN_BYTES_MAX)):
            self.body(UNKNOWN_BYTES_MAX + 1).read(size)

    def test_refuses_a_longer_one_piece_by_piece(self) -> None:
        body = self.body(2 * UNKNOWN_BYTES_MAX)
        body.read(UNKNOWN_BYTES_MAX)
        for read in (body.read, body.readline, body.read):
            with pytest.raises(BodyRefused):
                read(1)

    def test_asks_once_what_the_caller_may_send(self) -> None:
        body = self.body(3 * UNKNOWN_BYTES_MAX, may=2 * UNKNOWN_BYTES_MAX)
        assert len(body.read(2 * UNKNOWN_BYTES_MAX)) == 2 * UNKNOWN_BYTES_MAX
        with pytest.raises(BodyRefused):
            body.read(1)

    def test_reads_no_body_whole_that_is_longer_than_what_is_parsed(self, settings: Settings) -> None:
        """A chunked body has no length that could be looked at before."""
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100_000
        body = self.body(100_001)
        body.raise_to(bodies.UNLIMITED)
        with pytest.raises(BodyRefused, match="100000"):
            body.read()
        body = self.body(100_000)
        body.raise_to(bodies.UNLIMITED)
        assert len(body.read()) == 100_000
