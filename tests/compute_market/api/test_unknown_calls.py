"""Every wrong request under the market's address is refused in one form: problem details."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver

from compute_market.api import urls
from tests.compute_market.api.callers import BASE, Trader

pytestmark = pytest.mark.django_db

METHODS = ("get", "post", "put", "patch", "delete")


def calls(patterns: list[URLPattern | URLResolver] = urls.urlpatterns) -> Iterator[tuple[str, Any]]:
    """Address → view class of every call, but for the one that answers what is no call."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from calls(pattern.url_patterns)
        elif str(pattern.pattern):
            address = "/".join(
                "1" if part.startswith("<row_id") else "x" if part.startswith("<") else part
                for part in str(pattern.pattern).split("/")
            )
            yield address, pattern.callback.view_class  # type: ignore[attr-defined]


ADDRESSES = sorted(dict(calls()))
VIEWS = dict(calls())


def refused(answer: Any, status: int) -> None:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status


class TestUnknownAddresses:
    @pytest.mark.parametrize(
        "path", ["nothing", "orders/x", "orders/1/x", "orders/", "agent/x", f"orders/{2**63}", ""]
    )
    def test_are_not_found_by_any_method(
        self, client: Client, trader: Callable[..., Trader], path: str
    ) -> None:
        for method in METHODS:
            refused(getattr(client, method)(f"{BASE}/{path}"), 404)
        asked = trader()("get", path, headers={"Accept": "text/html", "Authorization": "Bearer nobody"})
        refused(asked, 404)

    def test_are_not_in_the_description(self, client: Client) -> None:
        paths = client.get("/api/schema", {"format": "json"}).json()["paths"]
        assert f"{BASE}/" not in paths


class TestEveryCall:
    def test_is_found(self) -> None:
        assert len(ADDRESSES) > 40

    @pytest.mark.parametrize("path", ADDRESSES)
    def test_refuses_other_methods(self, client: Client, path: str) -> None:
        other = next(method for method in (*METHODS, "trace") if not hasattr(VIEWS[path], method))
        answer = getattr(client, other)(f"{BASE}/{path}?x=1")
        refused(answer, 405)
        assert other.upper() not in answer["Allow"]

    @pytest.mark.parametrize("path", [path for path in ADDRESSES if hasattr(VIEWS[path], "post")])
    def test_refuses_other_media(self, client: Client, trader: Callable[..., Trader], path: str) -> None:
        for headers in ({}, trader(is_staff=True).headers):
            answer = client.post(f"{BASE}/{path}", "a=b", content_type="text/csv", headers=headers)
            is_proved = path == "agent/enrol" or (headers and not path.startswith("agent/"))
            expected = {404, 415} if is_proved else {401}
            assert answer.status_code in expected, answer.content
            refused(answer, answer.status_code)

    def test_takes_json_alone(self, client: Client, trader: Callable[..., Trader]) -> None:
        who = trader()
        for path in ("orders", "orders/bulk", "orders/cancel-all"):
            refused(client.post(f"{BASE}/{path}", "a=b", content_type="text/csv", headers=who.headers), 415)
        refused(client.post(f"{BASE}/agent/enrol", "a=b", content_type="text/csv"), 415)

    def test_of_agents_has_json_to_offer(self, client: Client) -> None:
        answer = client.post(
            f"{BASE}/agent/poll", "{}", content_type="application/json", headers={"Accept": "image/png"}
        )
        refused(answer, 406)

    def test_of_traders_answers_in_its_one_form(self, client: Client) -> None:
        answer = client.get(f"{BASE}/products", headers={"Accept": "image/png"})
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
