"""Source code with colours, by Pygments' classes. Pages call it through `hub.markup.render`."""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

# Beyond this the text is shown plain: colours are worth less than an answer in time.
COLOURED_CHARS_MAX = 40_000
# Pygments' short classes that the sheet gives a colour. Other tokens get no element: in a file of JSON that
# leaves out two of three.
CLASSES = frozenset(
    """
    k kd kn kr kt ow kc kp s s1 s2 sb sd se sh si sx sr sa sc dl c c1 cm ch cs cp cpf m mi mf mh mo il
    nf fm nc nd ne nt na nl nv nb bp gi gd gh gu err
    """.split()
)


def coloured(text: str, *, language: str = "", filename: str = "") -> SafeString:
    """The text as spans with classes, without the surrounding `<pre>`.

    A lexer that changes the text (one puts spaces in the place of tabs) gives it no colours.
    """
    lexer = _lexer(language, filename) if len(text) <= COLOURED_CHARS_MAX else None
    if lexer is None:
        return SafeString(escape(text))
    expected, at = _as_read(text), 0
    found = []
    for name, tokens in groupby(lexer.get_tokens(text), key=lambda token: _class_of(token[0])):
        plain = "".join(value for _type, value in tokens)
        if not expected.startswith(plain, at):
            return SafeString(escape(text))
        at += len(plain)
        words = escape(plain)
        found.append(f'<span class="{name}">{words}</span>' if name else words)
    return SafeString("".join(found) if at == len(expected) else escape(text))


def _as_read(text: str) -> str:
    """The text as Pygments changes it before a lexer sees it."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return lines if lines.endswith("\n") else f"{lines}\n"


@cache
def _class_of(token_type: Any) -> str:
    """The class of the nearest kind of token that has a colour."""
    while token_type is not None:
        name: str = STANDARD_TYPES.get(token_type, "")
        if name in CLASSES:
            return name
        token_type = token_type.parent
    return ""


def _lexer(language: str, filename: str) -> Lexer | None:
    try:
        if language:
            return get_lexer_by_name(language, stripnl=False)
        if filename:
            return get_lexer_for_filename(filename, stripnl=False)
    except ClassNotFound:
        pass
    return None
