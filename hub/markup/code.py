"""Source code with colours, by Pygments' classes."""

from __future__ import annotations

from django.utils.html import escape
from django.utils.safestring import SafeString
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.util import ClassNotFound

# Beyond this the text is shown plain: colours are worth less than an answer in time.
COLOURED_CHARS_MAX = 120_000
_FORMATTER = HtmlFormatter(nowrap=True)


def coloured(text: str, *, language: str = "", filename: str = "") -> SafeString:
    """The text as spans with classes, without the surrounding `<pre>`."""
    lexer = _lexer(language, filename) if len(text) <= COLOURED_CHARS_MAX else None
    if lexer is None:
        return SafeString(escape(text))
    return SafeString(highlight(text, lexer, _FORMATTER))  # Pygments escapes what it does not colour.


def _lexer(language: str, filename: str) -> Lexer | None:
    try:
        if language:
            return get_lexer_by_name(language, stripnl=False)
        if filename:
            return get_lexer_for_filename(filename, stripnl=False)
    except ClassNotFound:
        pass
    return None
