"""The files between a supervisor and an agent: bounded, and whole when either process dies at any moment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from compute_market.runners.records import (
    OutputWriter,
    StateWriter,
    read_deadline,
    read_output,
    read_state,
    take_lock,
    write_deadline,
)


class TestOutput:
    def test_is_the_newest_part_of_all_that_was_written(self, tmp_path: Path) -> None:
        path, said = tmp_path / "output", b""
        writer = OutputWriter(path, size=100)
        for number in range(200):
            piece = bytes([number]) * (number * 7 % 160)
            writer.append(piece)
            said += piece
            for back in (len(said), 130, 100, 1, 0, -50):
                offset = max(0, len(said) - back)
                start, found, at = offset, b"", offset
                while True:
                    began, data = read_output(path, at, 33)
                    if not data:
                        break
                    start = began if not found else start
                    found += data
                    at = began + len(data)
                expected = max(offset, len(said) - 100, 0)
                assert found == said[expected:]
                assert start == expected or not found
        writer.close()
        assert path.stat().st_size < 200

    def test_goes_on_where_an_earlier_run_ended(self, tmp_path: Path) -> None:
        for text in (b"one ", b"two"):
            writer = OutputWriter(tmp_path / "output", size=100)
            writer.append(text)
            writer.close()
        assert read_output(tmp_path / "output", 0, 100) == (0, b"one two")

    def test_that_is_no_output_is_empty(self, tmp_path: Path) -> None:
        (tmp_path / "output").write_bytes(b"x" * 500)
        assert read_output(tmp_path / "output", 7, 100) == (7, b"")
        (tmp_path / "link").symlink_to("output")
        with pytest.raises(OSError, match="symbolic links"):
            read_output(tmp_path / "link", 0, 100)

    def test_takes_its_room_at_once(self, tmp_path: Path) -> None:
        OutputWriter(tmp_path / "output", size=1_000_000).close()
        assert (tmp_path / "output").stat().st_blocks * 512 >= 1_000_000


class TestState:
    def test_is_overwritten_in_place(self, tmp_path: Path) -> None:
        state = StateWriter(tmp_path / "state", {"phase": "starting", "gpus": [0]})
        inode, size = (tmp_path / "state").stat().st_ino, (tmp_path / "state").stat().st_size
        state.update(phase="over", exit_code=3)
        assert read_state(tmp_path) == {"phase": "over", "gpus": [0], "exit_code": 3}
        assert ((tmp_path / "state").stat().st_ino, (tmp_path / "state").stat().st_size) == (inode, size)

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff" * 10])
    def test_that_cannot_be_read_is_empty(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "state").write_bytes(content)
        assert read_state(tmp_path) == {}
        assert read_state(tmp_path / "no") == {}


class TestLock:
    def test_is_held_while_any_copy_of_it_is_open(self, tmp_path: Path) -> None:
        lock = take_lock(tmp_path)
        assert lock is not None
        copy = os.dup(lock)
        os.close(lock)
        assert take_lock(tmp_path) is None
        os.close(copy)
        again = take_lock(tmp_path)
        assert again is not None
        os.close(again)


class TestDeadline:
    def test_is_what_was_written_or_the_default(self, tmp_path: Path) -> None:
        assert read_deadline(tmp_path, 5.0) == 5.0
        write_deadline(tmp_path, 7.25)
        assert read_deadline(tmp_path, 5.0) == 7.25
