"""Bodies and answers of the dialects, declared as msgspec structs.

A dialect's `bodies.py` says what its calls take, its `answers.py` what they give. A body is checked here, in
one place, and refused as MalformedBody, which each dialect renders in its own form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from django.http import HttpRequest, HttpResponse

from hub.api.json import BODY_BYTES_MAX, MalformedBody, json_body

# Text without NUL, which PostgreSQL could not keep. Paths are plain `str`: the core checks them itself.
Text = Annotated[str, msgspec.Meta(pattern=r"\A[^\0]*\Z")]
# A whole number of bytes.
Size = Annotated[int, msgspec.Meta(ge=0)]
# Read as text by `text_or`, whatever type a client sends.
Loose = Any


class Body(msgspec.Struct):
    """The body of a call. Keys that are not declared are ignored, as clients of other versions send them."""


class Answer(msgspec.Struct):
    """The answer of a call. All fields are sent, in the order of their declaration; times are texts."""


Declared = TypeVar("Declared", bound=Body)

_encoder = msgspec.json.Encoder()


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


def encoded(answer: Answer) -> bytes:
    return _encoder.encode(answer)


def answer_with(answer: Answer, *, status: int = 200) -> HttpResponse:
    return HttpResponse(encoded(answer), status=status, content_type="application/json; charset=utf-8")
