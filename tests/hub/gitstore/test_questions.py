"""The questions of git's hooks, in pieces of every size."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.gitstore import RefUpdate, questions
from hub.gitstore.errors import GitFailed
from hub.gitstore.questions import NULL_SHA, Push, Question

OLD, NEW = "1" * 40, "2" * 40
PRE_RECEIVE = f"pre-receive\n/quarantine\n{NULL_SHA} {NEW} refs/heads/end\n{OLD} {NULL_SHA} refs/tags/é\n\0"


def pkt(text: str) -> bytes:
    data = text.encode()
    return b"%04x%b" % (len(data) + 4, data)


def commands(count: int) -> bytes:
    """The question of `proc-receive` about so many refs."""
    lines = b"".join(pkt(f"{OLD} {NEW} refs/heads/{number:06}") for number in range(count))
    return b"proc-receive\n" + pkt("version=1\0push-options atomic\n") + b"0000" + lines + b"0000"


def add_all(data: bytes, piece: int) -> Push | None:
    """The push of a question that comes in pieces of so many bytes; it must be whole with the last."""
    question, push = Question(), None
    for start in range(0, len(data), piece):
        assert push is None
        push = question.add(data[start : start + piece])
    return push


class TestQuestion:
    @pytest.mark.parametrize("piece", [1, 7, 10_000])
    def test_is_read_in_pieces(self, piece: int) -> None:
        assert add_all(PRE_RECEIVE.encode(), piece) == Push(
            [RefUpdate("refs/heads/end", None, NEW), RefUpdate("refs/tags/é", OLD, None)],
            Path("/quarantine"),
        )
        updates = [RefUpdate(f"refs/heads/{number:06}", OLD, NEW) for number in range(3)]
        assert add_all(commands(3), piece) == Push(updates, is_atomic=True)

    def test_does_not_end_with_a_name(self) -> None:
        """A piece may end anywhere, also behind a line that looks like an end."""
        asked = f"pre-receive\n\n{NULL_SHA} {NEW} refs/heads/a\nend\n".encode()
        question = Question()
        assert question.add(asked) is None
        with pytest.raises(GitFailed):
            question.add(b"\0")

    @pytest.mark.parametrize(
        "asked",
        [
            b"post-receive\n",
            b"pre-receive\n\nold new refs/heads/a\n\0",
            b"proc-receive\nzzzz",
            b"proc-receive\n0001",
            b"proc-receive\n0000" + pkt("old new refs/heads/a") + b"0000",
        ],
    )
    def test_of_another_form_fails(self, asked: bytes) -> None:
        with pytest.raises(GitFailed):
            Question().add(asked)

    def test_reads_each_line_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sizes, size_of = 0, questions._size

        def counted(digits: bytes) -> int:
            nonlocal sizes
            sizes += 1
            return size_of(digits)

        monkeypatch.setattr(questions, "_size", counted)
        data, piece = commands(1_000), 100
        assert add_all(data, piece) is not None
        # A line that is not whole yet is measured again with the next piece.
        assert sizes <= 1_003 + len(data) / piece + 1
