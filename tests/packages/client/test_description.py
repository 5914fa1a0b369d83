"""The client makes only calls that the market's description has, and reads only fields that it has."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from bazaar_client.market import Market
from tests.described import AnswerUndescribed
from tests.packages.client.told import Told

ORDER = {
    "side": "buy",
    "product": "h100",
    "gpus": 8,
    "end": "2026-07-02T12:00:00Z",
    "limit_price": 12_000_000,
}
ARGUMENTS: dict[str, Any] = {
    "product": "h100",
    "order_id": 42,
    "lease_id": 17,
    "port": "8888",
    "command": ["python"],
    "gpus": 8,
    "hours": 24,
}
# Arguments beyond those that a method names.
MORE: dict[str, dict[str, Any]] = {
    "place": {**ORDER, "wait": 1},
    "amend": {"limit_price": 12_060_000, "wait": 1},
    "orders": {"state": "live"},
    "leases": {"state": "live"},
    "products": {"spec": "h100", "memory_gb__gte": 80},
    "run": {"image": "pytorch:2.9", "serves": [{"port": 8888}]},
    "balance": {"account": "ada"},
    "statement": {"account": "ada"},
    "cancel_all": {"product": "h100"},
}
METHODS = sorted(
    name
    for name, method in vars(Market).items()
    if inspect.isfunction(method) and not name.startswith("_") and name not in {"call", "pages"}
)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_makes_a_described_call(name: str) -> None:
    market = Told()
    method = getattr(market, name)
    parameters = inspect.signature(method).parameters.values()
    needed = {
        each.name: ARGUMENTS[each.name]
        for each in parameters
        if each.default is each.empty and each.kind is not each.VAR_KEYWORD
    }
    found = method(**{**needed, **MORE.get(name, {})})
    if isinstance(found, Iterator):
        list(found)
    assert len(market.asked) == 1


def test_an_undescribed_call_is_found() -> None:
    with pytest.raises(AnswerUndescribed, match="no such operation"):
        Told().call("GET", "colours")
    with pytest.raises(AnswerUndescribed, match="no parameter"):
        list(Told().orders(colour="red"))
    with pytest.raises(AnswerUndescribed, match="colour"):
        Told().place(**ORDER, colour="red")


def test_an_undescribed_field_is_found() -> None:
    order = Told().order(42)
    with pytest.raises(AssertionError, match="colour"):
        order["colour"]
    with pytest.raises(AssertionError, match="colour"):
        order["fills"][0].get("colour")
