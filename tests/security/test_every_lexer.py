"""Every lexer that a file's name or a fence can choose: a deadline ends it, and none changes the text."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest
from pygments.lexers import get_all_lexers

from hub.markup import code, processes, render
from tests.security.hostile_text import CODE

SECONDS = 0.1
CHARS = 6_000
# Every kind of hostile code, one after another: what one lexer takes for a comment is code for the next.
HOSTILE = "\n".join(make(CHARS // len(CODE)) for make in CODE.values()) + "\n"
# The word by which each lexer is chosen; the few without a word are chosen by names of files alone.
LEXERS = {
    name: ("language", aliases[0]) if aliases else ("filename", patterns[0].replace("*", "a"))
    for name, aliases, patterns, _ in get_all_lexers()
    if aliases or patterns
}
TAG = re.compile(r"</?span[^>]*>")


class Renderer:
    """One renderer process after another: the next begins when one was ended."""

    def __init__(self) -> None:
        self._process = processes._Renderer()
        self.ended = 0

    def run(self, how: str, word: str, text: str) -> dict[str, object] | None:
        job = {"kind": "code", "text": text, "language": "", "filename": "", how: word}
        answer = self._process.run(job, seconds=SECONDS)
        if answer is None:
            self.close()
            self._process = processes._Renderer()
            self.ended += 1
        return answer

    def close(self) -> None:
        self._process.end()


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    made = Renderer()
    yield made
    made.close()


@pytest.mark.timeout(900)  # 600 lexers, twenty seconds of processor time
class TestEveryLexer:
    def test_ends_with_its_deadline_or_shows_all_of_the_text(self, renderer: Renderer) -> None:
        """In processor time, so load does not matter. A lexer that was stopped harms no later text."""
        wrong = []
        for name, (how, word) in LEXERS.items():
            answer = renderer.run(how, word, HOSTILE)
            if answer is None:
                continue
            if answer["error"]:
                wrong.append(f"{name}: {answer['error']}")
            elif html.unescape(TAG.sub("", str(answer["html"]))) != HOSTILE:
                wrong.append(f"{name} changes the text")
            if float(str(answer["cpu_seconds"])) > 2 * SECONDS:
                wrong.append(f"{name}: {answer['cpu_seconds']} s")
        assert not wrong, "\n".join(wrong)
        # Most of them are quick; the deadline is not what answers for all.
        assert renderer.ended < len(LEXERS) / 4
        assert renderer.run("language", "python", "a = 1\n") is not None

    def test_is_among_those_that_file_names_choose(self) -> None:
        """Each file name leads to one of them, or to none."""
        chosen = set()
        for _, _, patterns, _ in get_all_lexers():
            for pattern in patterns[:2]:
                lexer = code._lexer("", re.sub(r"\[.*?\]", "1", pattern).replace("*", "a"))
                chosen |= {lexer.name} if lexer is not None else set()
        assert len(chosen) > 300
        assert chosen <= LEXERS.keys()

    def test_is_not_asked_about_long_code(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The limit of size stands before all of them."""
        monkeypatch.setattr(processes.renderers, "run", None)  # would fail
        text = "(" * (code.COLOURED_CHARS_MAX + 1)
        for how, word in LEXERS.values():
            assert render.code(text, **{how: word}) == text
            assert code.coloured(text, **{how: word}) == text
