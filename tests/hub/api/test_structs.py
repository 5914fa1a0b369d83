"""Bodies are checked against structs, and answers are written from them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from django.test import RequestFactory

from hub.api.json import MalformedBody
from hub.api.structs import Answer, Body, Loose, Size, Text, answer_with, body_of, checked, text_or


class Sent(Body):
    name: Text
    path: str = ""
    size: Size = 0
    note: Loose = None


class Given(Answer):
    is_new: bool = msgspec.field(name="isNew")
    names: list[str] = []
    more: Any = None


class TestBodies:
    def test_ignore_what_is_not_declared(self) -> None:
        assert checked({"name": "a", "other": [1]}, Sent) == Sent(name="a")

    @pytest.mark.parametrize(
        "value",
        [
            {},
            {"name": None},
            {"name": 1},
            {"name": "a\0b"},
            {"name": "a", "size": -1},
            {"name": "a", "size": 1.0},
            {"name": "a", "size": "1"},
            {"name": "a", "path": ["a"]},
        ],
    )
    def test_are_refused_when_a_field_is_wrong(self, value: dict[str, Any]) -> None:
        with pytest.raises(MalformedBody):
            checked(value, Sent)

    def test_leave_nul_in_paths_to_the_core(self) -> None:
        assert checked({"name": "a\nb", "path": "a\0b"}, Sent).path == "a\0b"

    @pytest.mark.parametrize(("sent", "text"), [(None, "m"), ("", "m"), (0, "m"), (5, "5"), ("x", "x")])
    def test_read_loose_fields_as_text(self, sent: Any, text: str) -> None:
        assert text_or(checked({"name": "a", "note": sent}, Sent).note, "m") == text

    def test_are_objects(self) -> None:
        def read(data: bytes) -> Sent:
            return body_of(RequestFactory().post("/", data, content_type="application/json"), Sent)

        assert read(b'{"name": "a", "size": 18446744073709551615}').size == 2**64 - 1
        for data in (b"", b"[]", b"{", b'"a"', b"[" * 100_000, b'{"name": "\\ud800"}'):
            with pytest.raises(MalformedBody):
                read(data)


class TestAnswers:
    def test_have_every_field_in_order(self) -> None:
        answer = answer_with(Given(is_new=True, more={"é": 1.0}), status=201)
        assert answer.content == '{"isNew":true,"names":[],"more":{"é":1.0}}'.encode()
        assert (answer.status_code, answer["Content-Type"]) == (201, "application/json; charset=utf-8")
        assert json.loads(answer_with(Given(is_new=False)).content) == {
            "isNew": False,
            "names": [],
            "more": None,
        }
