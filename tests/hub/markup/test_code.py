"""Code with colours shows the text that it was given."""

from __future__ import annotations

import html
import re

import pytest

from hub.markup import code

ROBOT = "*** Test Cases ***\nFirst\n\tLog\tHello\n"


def shown(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


class TestColoured:
    def test_is_not_what_a_lexer_makes_of_tabs(self) -> None:
        assert code.coloured(ROBOT, filename="a.robot") == ROBOT

    @pytest.mark.parametrize("text", ["a = 1", "a = 1\r\nb = 2\r\n", "\ufeffa = 1\n", "\n\na = 1\n\n"])
    def test_keeps_colours_whatever_ends_the_lines(self, text: str) -> None:
        found = code.coloured(text, language="python")
        assert "<span" in found
        assert shown(found).split() == text.removeprefix("\ufeff").split()
