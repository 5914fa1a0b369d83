"""Callers of the traders' API for its tests, with their credentials."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.test import Client

from compute_market.offers.models import Product
from foundation.clock import HOUR
from hub.accounts.models import User
from tests.clock import BEGUN

BASE = "/api/market/v1"


def midnight() -> datetime:
    """A full hour a day after the tests begin: the same one in the whole of a test."""
    return (BEGUN + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)


@dataclass
class Trader:
    """Somebody with a token and a client."""

    user: User
    client: Client
    headers: dict[str, str]

    def __call__(self, method: str, path: str, body: Any = None, **extra: Any) -> Any:
        kwargs: dict[str, Any] = {"headers": self.headers, **extra}
        if body is not None:
            kwargs |= {"data": body, "content_type": "application/json"}
        return getattr(self.client, method)(f"{BASE}/{path}", **kwargs)


def order(product: Product, side: str = "buy", **changes: Any) -> dict[str, Any]:
    start = midnight()
    body = {
        "client_order_id": "c1",
        "side": side,
        "product": product.slug,
        "gpus": 8,
        "start": start.isoformat(),
        "end": (start + 24 * HOUR).isoformat(),
        "limit_price": 12_000_000,
    }
    return {**body, **changes}
