"""Answers are rendered as their structs say, field by field and in order."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from django.utils.translation import gettext_lazy
from msgspec import UNSET, UnsetType
from rest_framework.exceptions import ErrorDetail

from foundation.answers import Answer, AnswerRenderer, encoded


class OnlyHere(Answer, kw_only=True):
    name: str
    share: float
    at: datetime | None
    note: str | UnsetType = UNSET


class OnlyHereToo(OnlyHere, kw_only=True):
    """Has one field more."""

    count: int


ROW = OnlyHere(name="Ä", share=2.0, at=datetime(2026, 7, 1, 12, tzinfo=UTC))


class TestEncoded:
    def test_keeps_the_order_and_leaves_out_what_is_unset(self) -> None:
        assert encoded(ROW).decode() == '{"name":"Ä","share":2.0,"at":"2026-07-01T12:00:00Z"}'

    def test_is_one_line_for_every_reader_of_lines(self) -> None:
        text = encoded(OnlyHere(name="a\u2028b\u2029c\x85d\ne\x0bf", share=1, at=None)).decode()
        assert len(text.splitlines()) == 1
        assert json.loads(text)["name"] == "a\u2028b\u2029c\x85d\ne\x0bf"

    def test_takes_texts_of_other_classes(self) -> None:
        found = encoded({"errors": [ErrorDetail("No.", code="no"), gettext_lazy("Yes.")]})
        assert json.loads(found) == {"errors": ["No.", "Yes."]}

    def test_refuses_what_no_answer_holds(self) -> None:
        with pytest.raises(NotImplementedError):
            encoded({"what": object()})


def test_a_wider_answer_has_the_same_fields_and_more() -> None:
    wider = ROW.widened(OnlyHereToo, count=3)
    assert encoded(wider).decode() == '{"name":"Ä","share":2.0,"at":"2026-07-01T12:00:00Z","count":3}'


def test_the_renderer_takes_one_answer_many_and_what_is_none() -> None:
    renderer = AnswerRenderer()
    assert renderer.render(ROW) == encoded(ROW)
    assert renderer.render([ROW, ROW]) == b"[" + encoded(ROW) + b"," + encoded(ROW) + b"]"
    assert renderer.render([]) == b"[]"
    assert renderer.render({"detail": "No."}) == b'{"detail":"No."}'
