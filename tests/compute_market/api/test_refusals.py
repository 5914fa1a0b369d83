"""The traders' API refuses clearly, and nothing changes where it does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from compute_market.matching.models import Command, Order
from compute_market.offers.models import Node, Product
from foundation.clock import HOUR
from tests.compute_market.api.callers import BASE, Trader, midnight, order

pytestmark = pytest.mark.django_db


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"gpus": "8"}, "gpus"),
            ({"gpus": 8.0}, "gpus"),
            ({"gpus": True}, "gpus"),
            ({"gpus": 0}, "gpus"),
            ({"gpus": -1}, "gpus"),
            ({"gpus": 2**63}, "gpus"),
            ({"limit_price": 12.5}, "limit_price"),
            ({"limit_price": "12"}, "limit_price"),
            ({"limit_price": 0}, "limit_price"),
            ({"limit_price": 2**64}, "limit_price"),
            ({"limit_price": None}, "limit_price"),
            ({"side": "hold"}, "side"),
            ({"end": "tomorrow"}, "end"),
            ({"end": 5}, "end"),
            ({"start": "2001-01-01T00:00:00Z"}, None),
            ({"end": "2001-01-01T00:00:00Z"}, None),
            ({"time_in_force": "forever"}, "time_in_force"),
            ({"post_only": "yes"}, "post_only"),
            ({"colour": "red"}, "colour"),
            ({"client_order_id": ""}, "client_order_id"),
            ({"client_order_id": "x" * 65}, "client_order_id"),
            ({"node": 1}, None),
        ],
    )
    def test_name_the_field_and_change_nothing(
        self, trader: Callable[..., Trader], product: Product, changes: dict[str, Any], field: str | None
    ) -> None:
        answer = trader()("post", "orders", order(product, **changes))
        assert answer.status_code == 400, answer.content
        assert answer["Content-Type"] == "application/problem+json"
        body = answer.json()
        if field is not None:
            assert field in body["errors"]
        assert not Command.objects.filter(kind="new").exists()

    def test_windows_off_the_hour(self, trader: Callable[..., Trader], product: Product) -> None:
        start = midnight() + timedelta(minutes=7)
        body = order(product, start=start.isoformat(), end=(start + HOUR).isoformat())
        answer = trader()("post", "orders", body)
        assert (answer.status_code, answer.json()["code"]) == (400, "order_invalid")

    @pytest.mark.parametrize("body", ["[]", "nope", '"x"', "{"])
    def test_malformed_bodies(self, trader: Callable[..., Trader], body: str) -> None:
        asking = trader()
        answer = asking.client.post(
            f"{BASE}/orders", body, content_type="application/json", headers=asking.headers
        )
        assert answer.status_code == 400
        assert answer["Content-Type"] == "application/problem+json"

    def test_a_bulk_of_1001(self, trader: Callable[..., Trader], product: Product) -> None:
        bodies = [order(product, client_order_id=str(number)) for number in range(1001)]
        answer = trader()("post", "orders/bulk", {"orders": bodies})
        assert (answer.status_code, answer.json()["code"]) == (400, "bulk_too_large")
        assert not Command.objects.filter(kind="new").exists()

    def test_anonymous_callers_and_tokens_without_the_scope(
        self, trader: Callable[..., Trader], product: Product, client: Client
    ) -> None:
        reader = trader("write")
        answer = reader("post", "orders", order(product))
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
        nobody = client.post(f"{BASE}/orders", order(product), content_type="application/json")
        assert nobody.status_code == 401
        wrong = client.get(f"{BASE}/products", headers={"Authorization": "Bearer nobody"})
        assert wrong.status_code == 401

    def test_things_of_other_accounts(
        self, trader: Callable[..., Trader], seller: Trader, product: Product, node: Node
    ) -> None:
        stranger = trader()
        mine = seller("post", "orders", order(product, "sell", node=node.pk)).json()
        for method, path, body in (
            ("get", f"orders/{mine['id']}", None),
            ("delete", f"orders/{mine['id']}", None),
            ("patch", f"orders/{mine['id']}", {"gpus": 1}),
            ("get", f"nodes/{node.pk}", None),
            ("get", "leases/99", None),
            ("post", "leases/99/end", {}),
        ):
            assert stranger(method, path, body).status_code == 404, path
        foreign = stranger("post", "orders", order(product, "sell", node=node.pk))
        assert foreign.status_code == 404
        spending = stranger("post", "orders", order(product, account=seller.user.name))
        assert spending.status_code == 403

    def test_more_than_the_account_holds(self, trader: Callable[..., Trader], product: Product) -> None:
        answer = trader(funds=1)("post", "orders", order(product))
        assert (answer.status_code, answer.json()["code"]) == (422, "insufficient_funds")
        assert Order.objects.count() == 0

    def test_operators_calls_by_others(self, trader: Callable[..., Trader]) -> None:
        asking = trader()
        money = {"account": asking.user.name, "amount_micros": 1, "key": "k"}
        for path, body in (("deposits", money), ("withdrawals", money), ("halt", {}), ("resume", {})):
            assert asking("post", path, body).status_code == 403, path

    def test_too_many_calls(self, trader: Callable[..., Trader], settings: Settings) -> None:
        settings.MARKET_RATE_USER, settings.RATE_LIMIT_LOOPBACK = 3, True
        settings.REDIS_PREFIX += uuid4().hex
        asking = trader()
        answers = [asking("get", "products") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert 1 <= int(answers[-1]["Retry-After"]) <= 60
