"""A wrong answer of a live server fails the test that asked for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import RequestFactory
from django.urls import ResolverMatch

from hub.api.hf.answers.common import Success
from hub.api.hf.http import route
from hub.api.structs import answer_with
from tests.servers.compared import VARIABLE, RecordAnswers, RecordedAnswers

BALANCE = "api/market/v1/balance"


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecordedAnswers:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "answers"))
    return RecordedAnswers(tmp_path / "answers")


def answer(response: HttpResponse, address: str) -> None:
    """Let the middleware of live servers see a response."""
    request = RequestFactory().get(f"/{address}")

    def view(request: HttpRequest) -> HttpResponse:
        request.resolver_match = ResolverMatch(route(GET=view), (), {}, route=address)
        return response

    RecordAnswers(view)(request)


class TestRecordedAnswers:
    def test_of_the_described_apis_are_compared(self, recorded: RecordedAnswers) -> None:
        answer(JsonResponse({"items": []}), BALANCE)
        assert recorded.problems() == []
        answer(JsonResponse({"items": [], "colour": "red"}), BALANCE)
        (problem,) = recorded.problems()
        assert "colour" in problem
        assert recorded.problems() == []

    def test_of_the_dialects_are_compared(self, recorded: RecordedAnswers) -> None:
        answer(answer_with(Success(success=True)), "api/repos/delete")
        assert recorded.problems() == []
        answer(answer_with(Success(success="yes")), "api/repos/delete")
        answer(JsonResponse({"success": True}), "api/repos/delete")
        assert len(recorded.problems()) == 2

    def test_are_read_by_whole_lines(self, recorded: RecordedAnswers) -> None:
        line = json.dumps({"wrong": "it is"}).encode()
        recorded.path.write_bytes(line[:5])
        assert recorded.problems() == []
        with recorded.path.open("ab") as file:
            file.write(line[5:] + b"\n" + line)
        assert recorded.problems() == ["it is"]
