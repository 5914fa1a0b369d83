"""Bodies and answers of the dialects, declared as msgspec structs.

A dialect's `bodies.py` says what its calls take, its `answers.py` what they give. A body is checked here, in
one place, and refused as MalformedBody, which each dialect renders in its own form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, TypeVar

import msgspec
from django.http import HttpRequest, HttpResponse
from msgspec import UNSET

from foundation.answers import plain
from hub.api.json import BODY_BYTES_MAX, MalformedBody, json_body

# Text without NUL, which PostgreSQL could not keep. Paths are plain `str`: the core checks them itself.
Text = Annotated[str, msgspec.Meta(pattern=r"\A[^\0]*\Z")]
# A whole number of bytes.
Size = Annotated[int, msgspec.Meta(ge=0)]
# Read as text by `text_or`, whatever type a client sends.
Loose = Any


Wider = TypeVar("Wider", bound="Answer")


class Body(msgspec.Struct):
    """The body of a call. Keys that are not declared are ignored, as clients of other versions send them."""


class Answer(msgspec.Struct):
    """A JSON object that a call answers with.

    Fields are sent in the order of their declaration, but for those that are `UNSET`; times are texts.
    """

    def widened(self, wider: type[Wider], **more: Any) -> Wider:
        """The same fields, and more, as an answer of a subclass."""
        return wider(**{name: getattr(self, name) for name in self.__struct_fields__}, **more)


class Order:
    """The members of an answer that a call asks for, by their names in JSON, in the order asked."""

    def __init__(self, answer: type[Answer], names: Iterable[str]) -> None:
        fields = fields_of(answer)
        self.names = tuple(dict.fromkeys(names))
        self.values_of = attrgetter(*(fields[name] for name in self.names))


class Ordered:
    """An answer that is sent in another order than that of its declaration."""

    __slots__ = ("answer", "order")

    def __init__(self, answer: Answer, order: Order) -> None:
        self.answer, self.order = answer, order

    def members(self) -> dict[str, Any]:
        """The members that are sent: those of the order, but for those that are `UNSET`."""
        values = zip(self.order.names, self.order.values_of(self.answer), strict=True)
        return {name: value for name, value in values if value is not UNSET}


@cache
def fields_of(answer: type[Answer]) -> dict[str, str]:
    """The name of each member in JSON → the name of its field."""
    return dict(zip(answer.__struct_encode_fields__, answer.__struct_fields__, strict=True))


# The answer of a call: an object, a list of them, or lists under names that are data.
Sent = Answer | Ordered | Sequence[Answer] | Sequence[Ordered] | Mapping[str, Sequence[Answer]]


Declared = TypeVar("Declared", bound=Body)


def checked(value: Mapping[str, Any], kind: type[Declared]) -> Declared:
    """A parsed JSON object as the struct that a call takes. Raises: MalformedBody."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise MalformedBody(reason=str(error)) from None


def body_of(
    request: HttpRequest, kind: type[Declared], *, limit: int = BODY_BYTES_MAX, may_be_null: bool = False
) -> Declared:
    """The request's body; an empty one is an empty object. Raises: MalformedBody, BodyTooLarge."""
    return checked(json_body(request, limit=limit, may_be_null=may_be_null), kind)


def text_or(value: Loose, default: str) -> str:
    """A loose field as text; the default for null, and for what is empty or zero."""
    return str(value or default)


def _encodable(value: object) -> Any:
    """The JSON form of what msgspec does not know: an ordered answer, or a text of another class."""
    return value.members() if isinstance(value, Ordered) else plain(value)


_encoder = msgspec.json.Encoder(enc_hook=_encodable)


def encoded(answer: Sent) -> bytes:
    return _encoder.encode(answer)


class Answered(HttpResponse):
    """The response whose body is a declared answer. The tests compare `answer` with what it declares."""

    def __init__(
        self, answer: Sent, *, status: int = 200, content_type: str = "application/json; charset=utf-8"
    ) -> None:
        super().__init__(encoded(answer), status=status, content_type=content_type)
        self.answer = answer


def answer_with(answer: Sent, *, status: int = 200) -> HttpResponse:
    return Answered(answer, status=status)
