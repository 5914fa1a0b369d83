"""The comparison of answers with the description fails where they differ."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.test import Client
from django.urls import path

from foundation.described import declared
from tests import described
from tests.described import AnswerUndescribed

CALL = ("GET", "/api/market/v1/balance", 200, "application/json")


def balance(**changes: Any) -> dict[str, Any]:
    row = {"kind": "main", "balance_micros": 5, "held_micros": 0, "available_micros": 5}
    return {"items": [{**row, **changes}]}


def without(name: str) -> dict[str, Any]:
    return {"items": [{key: value for key, value in balance()["items"][0].items() if key != name}]}


class TestAnAnswer:
    def test_that_is_described_passes(self) -> None:
        described.require_described(*CALL, json.dumps(balance()).encode())

    @pytest.mark.parametrize(
        "body",
        [
            balance(colour="red"),
            balance(balance_micros="5"),
            balance(balance_micros=5.5),
            balance(balance_micros=None),
            balance(kind="escrow"),
            without("held_micros"),
            {**balance(), "next": None},
            [],
        ],
        ids=["another field", "text", "fraction", "null", "word", "missing field", "beside the list", "list"],
    )
    def test_of_another_form_is_found(self, body: Any) -> None:
        with pytest.raises(AnswerUndescribed):
            described.require_described(*CALL, json.dumps(body).encode())

    @pytest.mark.parametrize(
        ("method", "address", "status", "media_type"),
        [
            ("GET", "/api/market/v1/balance", 418, "application/json"),
            ("GET", "/api/market/v1/balance", 200, "text/html"),
            ("GET", "/api/market/v1/colours", 200, "application/json"),
            ("PUT", "/api/market/v1/balance", 200, "application/json"),
        ],
        ids=["status", "media type", "address", "method"],
    )
    def test_of_another_kind_is_found(self, method: str, address: str, status: int, media_type: str) -> None:
        with pytest.raises(AnswerUndescribed):
            described.require_described(method, address, status, media_type, b"{}")

    def test_of_a_refusal_is_compared_too(self) -> None:
        refused = {"type": "urn:bazaar:problem:x", "status": 404, "code": "x", "detail": "There is none."}
        kind = ("GET", "/api/market/v1/orders/1", 404, "application/problem+json")
        described.require_described(*kind, json.dumps(refused).encode())
        with pytest.raises(AnswerUndescribed, match="colour"):
            described.require_described(*kind, json.dumps({**refused, "colour": "red"}).encode())

    def test_that_has_no_body_must_be_described_so(self) -> None:
        described.require_described("DELETE", "/api/hub/v1/tokens/1", 204, "", b"")
        with pytest.raises(AnswerUndescribed):
            described.require_described("DELETE", "/api/hub/v1/tokens/1", 204, "application/json", b"{}")


class TestSamples:
    def test_fit_their_schemas(self) -> None:
        """So the examples of fields are values that the fields can have."""
        for answer in described.description()["components"]["schemas"]:
            schema = {"$ref": f"#/components/schemas/{answer}"}
            if answer in {each.__name__ for each in declared()}:
                described.require_fit(described.sample(schema), schema, answer)


def wrong(_: HttpRequest) -> JsonResponse:
    return JsonResponse({"items": [], "colour": "red"})


def stream(_: HttpRequest, slug: str) -> StreamingHttpResponse:
    event = b'id: 1\nevent: delta\ndata: {"sequence":1,"trades":[],"levels":[],"colour":"red"}\n\n'
    return StreamingHttpResponse([b": resumed\n\n", event], content_type="text/event-stream; charset=utf-8")


urlpatterns = [
    path("api/market/v1/balance", wrong),
    path("api/market/v1/products/<str:slug>/stream", stream),
]


@pytest.mark.django_db
class TestTheTestClient:
    @pytest.fixture(autouse=True)
    def _other_views(self, settings: Any) -> None:
        described.description()  # before the routes are others
        settings.ROOT_URLCONF = __name__

    def test_finds_a_wrong_answer(self, client: Client) -> None:
        with pytest.raises(AnswerUndescribed, match="colour"):
            client.get("/api/market/v1/balance")

    def test_finds_a_wrong_event(self, client: Client) -> None:
        pieces = client.get("/api/market/v1/products/h100/stream").streaming_content  # type: ignore[attr-defined]
        assert next(pieces) == b": resumed\n\n"
        with pytest.raises(AnswerUndescribed, match="colour"):
            next(pieces)
