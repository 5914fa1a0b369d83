"""Declared answers of the JSON APIs: a struct for each, from which the description and the JSON are made.

A struct's fields are the members of the JSON object, in their order. A field that is `UNSET` is left out.
Examples and units stand at the fields (`shown`), and `/api/schema` shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from django.utils.functional import Promise
from rest_framework.renderers import JSONRenderer

Wider = TypeVar("Wider", bound="Answer")
# Characters that JSON allows in a text and that some readers of lines take for the end of a line.
LINE_ENDS = {"\u2028": "\\u2028", "\u2029": "\\u2029", "\x85": "\\u0085"}
_LINE_ENDS = [(end.encode(), escape.encode()) for end, escape in LINE_ENDS.items()]


class Answer(msgspec.Struct, kw_only=True):
    """A JSON object that an API answers with."""

    def widened(self, wider: type[Wider], **more: Any) -> Wider:
        """The same fields, and more, as an answer of a subclass."""
        return wider(**{name: getattr(self, name) for name in self.__struct_fields__}, **more)


def shown(
    example: Any, text: str | None = None, *, form: str | None = None, words: list[str] | None = None
) -> msgspec.Meta:
    """The description of a field: an example, its meaning and unit, its format, its only values."""
    more: dict[str, Any] = {**({"format": form} if form else {}), **({"enum": words} if words else {})}
    return msgspec.Meta(examples=[example], description=text, extra_json_schema=more or None)


def encoded(answer: Any) -> bytes:
    """The JSON (UTF-8, on one line) of an answer, of a list of answers, or of a mapping of them."""
    text = msgspec.json.encode(answer, enc_hook=plain)
    for end, escape in _LINE_ENDS:
        if end in text:
            text = text.replace(end, escape)
    return text


def plain(value: object) -> str:
    """A text of another class, such as a translated or a safe one, or an error of the framework, as `str`.

    Raises: NotImplementedError for what is no text.
    """
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Promise):
        return str(value)
    raise NotImplementedError(f"an answer holds a {type(value).__name__}")


class AnswerRenderer(JSONRenderer):
    """Renders answers, and lists of them. Refusals are rendered as the framework does."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if isinstance(data, Answer) or (isinstance(data, list) and all(isinstance(x, Answer) for x in data)):
            return encoded(data)
        rendered: bytes = super().render(data, accepted_media_type, renderer_context)
        return rendered
