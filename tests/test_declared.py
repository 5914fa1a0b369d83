"""The comparison of a dialect's answers with their structs fails where they differ."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.urls import path
from msgspec import UNSET, UnsetType

from hub.api.hf.answers.common import Success
from hub.api.hf.http import route
from hub.api.structs import Answer, Order, Ordered, Sent, answer_with
from tests.declared import AnswerUndeclared, require_declared


class Part(Answer):
    size: int


class Whole(Answer, kw_only=True):
    name: str
    state: Literal["open", False] = False
    share: float | None = None
    parts: list[Part] = []
    counts: dict[str, int] | UnsetType = UNSET
    either: Part | dict[str, str] | None = None
    card: Any = None


def whole(**changes: Any) -> Whole:
    return Whole(**{"name": "a", "parts": [Part(1)], "counts": {"a": 1}, **changes})


class TestAnAnswer:
    @pytest.mark.parametrize(
        "answer",
        [
            whole(),
            whole(state="open", share=1, either=Part(1), card={"a": [None]}),
            whole(share=0.5, either={"a": "b"}, counts=UNSET),
            [whole(), whole()],
            {"a": [Part(1)], "b": []},
            Ordered(whole(), Order(Whole, ["counts", "name"])),
        ],
    )
    def test_of_its_declaration_passes(self, answer: Sent) -> None:
        require_declared(answer, "GET /")

    @pytest.mark.parametrize(
        "answer",
        [
            whole(name=None),
            whole(name=UNSET),
            whole(state=True),
            whole(state="closed"),
            whole(share="0.5"),
            whole(share=True),
            whole(parts=[{"size": 1}]),
            whole(parts=[Part(1), Part(None)]),
            whole(parts=None),
            whole(counts={"a": "1"}),
            whole(counts={1: 1}),
            whole(either=Part("1")),
            whole(either=whole()),
            whole(card=Part(1)),
            {"name": "a"},
            [{"name": "a"}],
            {"a": [{"size": 1}]},
            Ordered(whole(share=[]), Order(Whole, ["name"])),
        ],
    )
    def test_of_another_type_is_found(self, answer: Any) -> None:
        with pytest.raises(AnswerUndeclared):
            require_declared(answer, "GET /")

    def test_that_is_wrong_says_where(self) -> None:
        with pytest.raises(AnswerUndeclared, match=r"GET /: Whole\.?.*parts\[1\]\.size"):
            require_declared(whole(parts=[Part(1), Part("x")]), "GET /")


def a_dict(_: HttpRequest) -> HttpResponse:
    return JsonResponse({"success": True})


def another_type(_: HttpRequest) -> HttpResponse:
    return answer_with(Success(success="yes"))


def declared(_: HttpRequest) -> HttpResponse:
    return answer_with(Success(success=True))


urlpatterns = [
    path("dict", route(GET=a_dict)),
    path("type", route(GET=another_type)),
    path("declared", route(GET=declared)),
]


@pytest.mark.django_db
class TestTheTestClient:
    @pytest.fixture(autouse=True)
    def _other_views(self, settings: Any) -> None:
        settings.ROOT_URLCONF = __name__

    @pytest.mark.parametrize("address", ["/dict", "/type"])
    def test_finds_what_a_view_answers_undeclared(self, client: Client, address: str) -> None:
        with pytest.raises(AnswerUndeclared):
            client.get(address)

    def test_lets_a_declared_answer_pass(self, client: Client) -> None:
        assert client.get("/declared").json() == {"success": True}
