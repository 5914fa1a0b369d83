"""The traders' API describes itself, and is searched in both habits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from compute_market.api import examples
from compute_market.leases.models import Lease
from compute_market.offers.models import Node, Product
from tests.compute_market.api.callers import BASE, Trader, order
from tests.factories import exchange

pytestmark = pytest.mark.django_db


class TestSearch:
    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ({}, 2),
            ({"gpu": "h100"}, 1),
            ({"gpu": "H100,a100"}, 2),
            ({"memory_gb__gte": 60}, 1),
            ({"spec": "h100,a100:80GB.."}, 1),
            ({"spec": "h100,a100:80GB..:8"}, 0),
            ({"spec": "a100:40GB"}, 1),
            ({"price__lte": 100}, 0),
        ],
    )
    def test_takes_both_habits(self, client: Client, query: dict[str, Any], count: int) -> None:
        exchange.product()
        exchange.product(gpu="a100", memory_gb=40)
        assert len(client.get(f"{BASE}/products", query).json()["items"]) == count

    @pytest.mark.parametrize("query", [{"memory_gb__gte": "many"}, {"spec": "???"}, {"colour": "red"}])
    def test_refuses_nonsense(self, client: Client, query: dict[str, Any]) -> None:
        assert client.get(f"{BASE}/products", query).status_code == 400


class TestSchema:
    def test_describes_every_call(self, client: Client) -> None:
        schema = client.get("/api/schema", {"format": "json"}).json()
        paths = [path for path in schema["paths"] if path.startswith(BASE)]
        for part in ("orders", "orders/bulk", "quote", "leases", "products/{slug}/book", "balance"):
            assert f"{BASE}/{part}" in paths

    def test_shows_what_every_call_answers(self, client: Client) -> None:
        schema = client.get("/api/schema", {"format": "json"}).json()
        silent = [
            operation["operationId"]
            for path, methods in schema["paths"].items()
            if path.startswith(BASE) and "/agent/" not in path
            for operation in methods.values()
            for response in operation["responses"].values()
            for content in response.get("content", {}).values()
            if content["schema"].get("type") == "object" and not content.get("examples")
        ]
        assert silent == []

    def test_shows_the_fields_that_answers_have(
        self, trader: Callable[..., Trader], seller: Trader, node: Node, product: Product
    ) -> None:
        seller("post", "orders", order(product, "sell", node=node.pk, limit_price=12_000_000))
        buyer = trader()
        placed = buyer("post", "orders", order(product, limit_price=12_000_000)).json()
        exchange.drain(product.shard_id)
        lease = Lease.objects.get()
        answers = {
            "place_order": placed,
            "order": buyer("get", f"orders/{placed['id']}").json(),
            "product": buyer("get", f"products/{product.slug}").json(),
            "ticker": buyer("get", f"products/{product.slug}/ticker").json(),
            "lease": buyer("get", f"leases/{lease.pk}").json(),
            "node": seller("get", f"nodes/{node.pk}").json(),
        }
        for name, answer in answers.items():
            assert answer.keys() == examples.ANSWERS[name].keys(), name
        lists = {
            "products": "products",
            "tickers": "tickers",
            "trades": f"products/{product.slug}/trades",
            "candles": f"products/{product.slug}/candles",
            "orders": "orders",
            "leases": "leases",
            "balance": "balance",
            "statement": "statement",
        }
        for name, path in lists.items():
            told, shown = buyer("get", path).json(), examples.ANSWERS[name]
            assert told.keys() == shown.keys(), name
            assert told["items"][0].keys() == shown["items"][0].keys(), name
