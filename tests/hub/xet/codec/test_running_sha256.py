from __future__ import annotations

import hashlib
import random

import pytest

from hub.xet.codec import running_sha256
from hub.xet.codec.running_sha256 import RunningSha256

DATA = random.Random(1).randbytes(300_000)


class TestRunningSha256:
    def test_is_available_on_this_machine(self) -> None:
        assert running_sha256.is_available()

    @pytest.mark.parametrize("cut", [0, 1, 55, 56, 63, 64, 65, 128, 131_072, len(DATA)])
    def test_continues_from_a_state(self, cut: int) -> None:
        first = RunningSha256()
        first.update(DATA[:cut])
        second = RunningSha256(first.state())
        second.update(memoryview(bytearray(DATA))[cut:])
        assert second.digest() == hashlib.sha256(DATA).digest()
        assert first.digest() == hashlib.sha256(DATA[:cut]).digest()

    def test_goes_on_after_a_digest(self) -> None:
        running = RunningSha256()
        for at in range(0, len(DATA), 70_001):
            running.update(DATA[at : at + 70_001])
            running.digest()
        assert running.digest() == hashlib.sha256(DATA).digest()

    def test_refuses_a_state_of_another_length(self) -> None:
        with pytest.raises(ValueError, match="112 bytes, not 3"):
            RunningSha256(b"abc")
