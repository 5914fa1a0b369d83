import io

import pytest

from hub.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestProgress:
    def test_ends_with_one_line_that_says_how_many(self) -> None:
        stream = io.StringIO()
        with Progress("files", total=3, stream=stream) as progress:
            assert list(progress.track("abc")) == ["a", "b", "c"]
        assert stream.getvalue().startswith("files: 3 of 3 in ")
        assert stream.getvalue().count("\n") == 1

    def test_says_how_far_an_interrupted_command_came(self) -> None:
        stream = io.StringIO()
        with pytest.raises(KeyboardInterrupt), Progress("files", total=9, stream=stream) as progress:
            progress.advance(2)
            raise KeyboardInterrupt
        assert "2 of 9" in stream.getvalue()
        assert stream.getvalue().endswith(", stopped\n")

    def test_draws_a_bar_on_a_terminal_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hub.progress.REDRAW_SECONDS", 0)
        monkeypatch.setattr("hub.progress.LINE_SECONDS", 0)
        terminal, log = Terminal(), io.StringIO()
        for stream in (terminal, log):
            with Progress("files", total=2, stream=stream) as progress:
                progress.advance()
        assert "[###############               ] 1 of 2" in terminal.getvalue()
        assert "\r" not in log.getvalue()
        assert "files: 1 of 2 (50%" in log.getvalue()
