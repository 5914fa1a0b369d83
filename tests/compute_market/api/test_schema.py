"""The traders' API describes itself, and is searched in both habits."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.compute_market.api.callers import BASE
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
