"""Impossible input is refused by each door in its own form, before a view works with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from compute_market.offers.models import Product
from foundation import whole_numbers
from tests.factories import hub as make
from tests.factories import market

DEEP = 100_000
DIGITS = "9" * 10_000


@pytest.mark.django_db
class TestQueries:
    @pytest.mark.parametrize("character", ["%00", "%1b", "%07", "%7F", "%1F"])
    @pytest.mark.parametrize(
        ("path", "holds"),
        [
            ("/models?tag=a{0}b", "<html"),
            ("/models?author={0}", "<html"),
            ("/search?search={0}", "<html"),
            ("/api/models?search={0}", '"error"'),
            ("/api/hub/v1/session?x={0}", '"error"'),
            ("/api/market/v1/products?gpu={0}", '"code"'),
            ("/api/market/v1/orders?state={0}", '"code"'),
            ("/api/market/v1/leases?state={0}", '"code"'),
            ("/modelscope/api/v1/models?Name={0}", "{"),
            ("/api/v1/models?search={0}", "{"),
        ],
    )
    def test_with_control_characters(self, client: Client, path: str, holds: str, character: str) -> None:
        headers = make.bearer(make.user("ada"), "read", "trade")
        address, _, query = path.format(character).partition("?")
        answer = client.generic(
            "GET", address, QUERY_STRING=query, HTTP_AUTHORIZATION=headers["Authorization"]
        )
        assert answer.status_code == 400
        assert holds in answer.content.decode()

    @pytest.mark.parametrize("text", ["a%09b", "a%0D%0Ab", "%E5%90%8D", "%2500"])
    def test_with_other_characters_are_answered(self, client: Client, text: str) -> None:
        assert client.get(f"/api/models?search={text}").status_code == 200
        assert client.get(f"/models?search={text}").status_code == 200


@pytest.mark.django_db
class TestNumbers:
    @pytest.mark.parametrize("digits", [DIGITS, "9" * 30, str(2**63), "-1", "1.5", "NaN", "", "٣", "²"])
    def test_that_no_row_has_crash_nothing(self, client: Client, digits: str) -> None:
        product = market.product()
        client.force_login(make.user("ada"))
        signed = f"/xet/data/{'0' * 64}?bytes={digits}-{digits}&expires={digits}&signature=x"
        for address in (
            signed,
            f"/market/products/{product.slug}?hours={digits}",
            f"/market/account?before={digits}",
            f"/api/market/v1/orders?limit={digits}",
            f"/api/market/v1/statement?before={digits}",
            f"/api/market/v1/orders/{digits}",
            f"/models?page={digits}",
            f"/api/models?limit={digits}",
            f"/settings/tokens/{digits}/revoke",
        ):
            assert client.get(address).status_code < 500, address[:80]
        assert client.post("/notifications", {"id": digits, "read": "1"}).status_code == 302

    @pytest.mark.parametrize(
        ("text", "number"),
        [("0", 0), ("007", 7), (str(2**63 - 1), 2**63 - 1), (str(2**63), None), (DIGITS, None), ("", None)]
        + [(text, None) for text in ("-1", "+1", " 1", "1 ", "1_0", "٣", "²", "x", None)],
    )
    def test_are_read_as_a_row_can_hold_them(self, text: str | None, number: int | None) -> None:
        assert whole_numbers.whole_number(text) == number

    def test_that_are_too_large_for_a_size_are_the_largest_one(self) -> None:
        assert [whole_numbers.saturated(text) for text in ("12", DIGITS)] == [12, 2**63 - 1]


@pytest.mark.django_db
class TestBodies:
    @pytest.mark.parametrize(
        "body",
        [
            b"[" * DEEP,
            b'{"a":' * DEEP,
            b'{"name": "a", "name": "b"}',
            b'{"a": NaN}',
            b'{"a": Infinity}',
            b'{"a": ' + DIGITS.encode() + b"}",
            b'{"a": "\\ud800"}',
            b'{"a": 1} {',
            b"\xff\xfe{}",
            b'{"a": "\x00"}',
        ],
    )
    @pytest.mark.parametrize(
        "path", ["/api/hub/v1/accounts", "/api/market/v1/orders", "/api/market/v1/agent/enrol"]
    )
    def test_that_are_no_json_of_ours(self, client: Client, path: str, body: bytes) -> None:
        headers = make.bearer(make.user("ada"), "write", "trade")
        answer = client.post(path, body, content_type="application/json", headers=headers)
        assert answer.status_code in {400, 413, 422}
        assert answer["Content-Type"].startswith("application/")
        assert isinstance(answer.json(), dict)

    def test_that_are_too_large(self, client: Client, settings: Any) -> None:
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
        body = json.dumps({"name": "x" * 1000})
        answer = client.post("/api/hub/v1/accounts", body, content_type="application/json")
        assert answer.status_code == 400
        assert "more than 1000 bytes" in answer.json()["error"]

    def test_of_forms_hold_no_nul(self, client: Client) -> None:
        answer = client.post("/login", {"name": "a\0b", "password": "x"})
        assert answer.status_code == 400
        assert "<html" in answer.content.decode()


@pytest.mark.django_db
class TestTimes:
    @pytest.fixture
    def product(self) -> Product:
        return market.product()

    @pytest.mark.parametrize(
        "moment",
        [
            "9999-12-31T23:00:00Z",
            "0001-01-02T00:00:00Z",
            "9999-12-31T23:59:59-12:00",
            "0001-01-01T00:00:00+14:00",
        ],
    )
    def test_at_the_ends_of_the_calendar(self, client: Client, product: Product, moment: str) -> None:
        text = moment.replace("+", "%2B")
        for query in (
            f"book?start={text}",
            f"book?end={text}",
            f"candles?until={text}",
            f"candles?since={text}",
            f"trades?since={text}",
        ):
            answer = client.get(f"/api/market/v1/products/{product.slug}/{query}")
            assert answer.status_code in {200, 400, 422}, query


@pytest.mark.django_db
class TestHeaders:
    def test_of_htmx_may_hold_no_address(self, client: Client) -> None:
        answer = client.get("/settings/tokens", HTTP_HX_REQUEST="true", HTTP_HX_CURRENT_URL="http://[::")
        assert answer.status_code == 204
        assert answer["HX-Redirect"].startswith("/login")

    @pytest.mark.parametrize("path", ["a\u0000b", "c\u001b", "d\u007f", "e\u0085", "\ud800"])
    def test_never_hold_control_characters_of_a_refusal(self, client: Client, path: str) -> None:
        ada = make.user("ada")
        make.repository(ada, "model", files={"a.txt": b"a"})
        lines = [
            {"key": "header", "value": {"summary": "m"}},
            {"key": "file", "value": {"path": path, "content": "eA==", "encoding": "base64"}},
        ]
        body = "\n".join(json.dumps(line) for line in lines)
        answer = client.post(
            "/api/models/ada/model/commit/main",
            body,
            content_type="application/x-ndjson",
            headers=make.bearer(ada),
        )
        assert answer.status_code in {400, 422}
        assert answer.json()["error"]
        assert all(character >= " " for character in answer["X-Error-Message"])
