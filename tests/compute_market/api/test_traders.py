"""The traders' API: translation, refusals, and that nothing changes where it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from compute_market.api import examples
from compute_market.clock import HOUR, database_now, floor_minute
from compute_market.leases import jobs
from compute_market.leases import services as leasing
from compute_market.leases.models import Lease
from compute_market.matching.models import Command, Order
from compute_market.offers.models import Node, Product
from hub.accounts.models import User
from hub.accounts.principals import Principal
from tests.factories import exchange, market
from tests.factories import hub as make

pytestmark = pytest.mark.django_db
BASE = "/api/market/v1"


def midnight() -> datetime:
    """A full hour of tomorrow, by the database's clock."""
    return (database_now() + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)


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


@pytest.fixture
def trader(client: Client) -> Callable[..., Trader]:
    def call(*scopes: str, funds: int = 1_000_000, is_staff: bool = False) -> Trader:
        user = make.user()
        user.is_staff = is_staff
        user.save()
        if funds:
            market.fund(user.namespace_id, funds)
        return Trader(user, client, make.bearer(user, *(scopes or ("write", "trade"))))

    return call


@pytest.fixture
def product() -> Product:
    return exchange.product()


@pytest.fixture
def seller(trader: Callable[..., Trader]) -> Trader:
    return trader()


@pytest.fixture
def node(seller: Trader, product: Product) -> Node:
    return exchange.node(Principal(user=seller.user), product, now=database_now())


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


class TestTrading:
    def test_goes_from_order_to_lease(
        self, trader: Callable[..., Trader], seller: Trader, product: Product, node: Node
    ) -> None:
        buyer = trader()
        asked = seller("post", "orders", order(product, "sell", node=node.pk))
        assert asked.status_code == 202, asked.content
        exchange.drain(product.shard_id)
        book = buyer("get", f"products/{product.slug}/book", headers={}).json()
        assert book["asks"] == []  # not in the next hour
        window = {"start": order(product)["start"], "end": order(product)["end"]}
        book = buyer("get", f"products/{product.slug}/book", data=window).json()
        assert book["asks"] == [[12_000_000, 8]]
        found = buyer("get", "quote", data={"gpus": 8, "hours": 24, "within_days": 3}).json()["items"]
        assert [quote["product"] for quote in found] == [product.slug]
        placed = buyer("post", "orders", order(product)).json()
        assert placed["state"] == "pending"
        assert placed["hold_micros"] == placed["worst_case_total_micros"] == found[0]["total_micros"]
        exchange.drain(product.shard_id)
        filled = buyer("get", f"orders/{placed['id']}").json()
        assert (filled["state"], filled["filled_gpus"]) == ("filled", 8)
        [trade] = buyer("get", f"products/{product.slug}/trades").json()["items"]
        assert (trade["gpus"], trade["price_micros_per_gpu_hour"], trade["taker_side"]) == (
            8,
            12_000_000,
            "buy",
        )
        [candle] = buyer("get", f"products/{product.slug}/candles").json()["items"]
        assert (candle["open_micros"], candle["gpu_minutes"]) == (12_000_000, 8 * 24 * 60)
        assert buyer("get", f"products/{product.slug}/ticker").json()["last_micros"] == 12_000_000
        [lease] = buyer("get", "leases").json()["items"]
        assert (lease["gpus"], lease["state"]) == (8, "pending")
        assert buyer("get", f"leases/{lease['id']}/events").status_code == 200
        [main, _] = buyer("get", "balance").json()["items"]
        notional = 8 * 24 * 12_000_000
        assert main["balance_micros"] <= 1_000_000_000_000 - notional
        lines = buyer("get", "statement").json()["items"]
        assert any(line["amount_micros"] < 0 for line in lines)
        csv = b"".join(buyer("get", "statement.csv").streaming_content).decode()
        assert csv.count("\n") == len(lines) + 1

    def test_the_same_request_gets_the_same_order(
        self, trader: Callable[..., Trader], product: Product
    ) -> None:
        buyer = trader()
        first = buyer("post", "orders", order(product)).json()
        assert buyer("post", "orders", order(product)).json()["id"] == first["id"]
        other = buyer("post", "orders", order(product, gpus=4))
        assert (other.status_code, other.json()["code"]) == (409, "client_order_id_reused")
        assert Order.objects.count() == 1

    def test_bulk_answers_each_in_its_place(self, trader: Callable[..., Trader], product: Product) -> None:
        buyer = trader()
        bodies = [
            order(product, client_order_id="a", gpus=1),
            order(product, client_order_id="b", gpus=1.5),
            {**order(product, client_order_id="c"), "product": "nothing"},
            order(product, client_order_id="d", gpus=2),
        ]
        results = buyer("post", "orders/bulk", {"orders": bodies}).json()["results"]
        assert ["order" in result for result in results] == [True, False, False, True]
        assert "gpus" in results[1]["error"]["errors"]
        assert results[2]["error"]["code"] == "product_not_found"

    def test_amends_cancels_and_explains(self, trader: Callable[..., Trader], product: Product) -> None:
        buyer = trader()
        placed = buyer("post", "orders", order(product)).json()
        exchange.drain(product.shard_id)
        assert buyer("get", f"orders/{placed['id']}/explain").json()["misses"] == []
        assert buyer("patch", f"orders/{placed['id']}", {"gpus": 4}).status_code == 202
        exchange.drain(product.shard_id)
        assert buyer("get", f"orders/{placed['id']}").json()["open_gpus"] == 4
        assert buyer("delete", f"orders/{placed['id']}").status_code == 202
        exchange.drain(product.shard_id)
        again = buyer("delete", f"orders/{placed['id']}")
        assert (again.status_code, again.json()["code"]) == (409, "not_open")
        buyer("post", "orders", order(product, client_order_id="c2"))
        assert buyer("post", "orders/cancel-all", {}).json() == {"cancelling": 1}
        exchange.drain(product.shard_id)
        assert buyer("get", "orders", data={"state": "live"}).json()["items"] == []

    def test_tells_what_became_of_an_amendment(
        self, trader: Callable[..., Trader], seller: Trader, node: Node, product: Product
    ) -> None:
        seller("post", "orders", order(product, "sell", node=node.pk, limit_price=12_000_000))
        buyer = trader()
        body = order(product, client_order_id="c2", limit_price=6_000_000, post_only=True)
        placed = buyer("post", "orders", body).json()
        exchange.drain(product.shard_id)
        address = f"orders/{placed['id']}"
        assert buyer("get", address).json()["amendment"] is None
        asked = buyer("patch", address, {"limit_price": 12_000_000}, query_params={"wait": "0.1"})
        assert (asked.status_code, asked.json()["amendment"]["state"]) == (202, "pending")
        exchange.drain(product.shard_id)
        told = buyer("get", address).json()
        assert told["limit_price"] == 6_000_000
        assert told["amendment"] == {
            "limit_price": 12_000_000,
            "gpus": body["gpus"],
            "state": "refused",
            "reason": "would_trade",
        }
        [miss] = buyer("get", f"{address}/explain").json()["misses"]
        assert (miss["what"], miss["difference_micros"]) == ("dearer", 6_000_000)

    @pytest.mark.parametrize("wait", ["soon", "-1", "nan"])
    def test_takes_nothing_under_a_malformed_wait(
        self, trader: Callable[..., Trader], product: Product, wait: str
    ) -> None:
        refused = trader()("post", "orders", order(product), query_params={"wait": wait})
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid")
        assert not Order.objects.exists()

    @pytest.mark.parametrize("accepted", ["text/event-stream", "text/csv", "text/html"])
    def test_answers_in_its_own_form_whatever_is_accepted(self, client: Client, accepted: str) -> None:
        refused = client.get(f"{BASE}/products/nothing/stream", headers={"Accept": accepted})
        assert (refused.status_code, refused.json()["code"]) == (404, "product_not_found")

    def test_names_the_field_as_the_body_does(self, trader: Callable[..., Trader], product: Product) -> None:
        refused = trader()("post", "orders", order(product, limit_price=60_001)).json()
        assert (refused["code"], refused["field"]) == ("order_invalid", "limit_price")
        assert refused["detail"] == "limit_price: must be a multiple of the tick, 0.06 credits."

    def test_pages_through_orders(self, trader: Callable[..., Trader], product: Product) -> None:
        buyer = trader()
        bodies = [order(product, client_order_id=f"o{number}", gpus=1) for number in range(5)]
        buyer("post", "orders/bulk", {"orders": bodies})
        seen, cursor = [], None
        while True:
            query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = buyer("get", "orders", data=query).json()
            seen += [row["client_order_id"] for row in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert seen == ["o4", "o3", "o2", "o1", "o0"]
        assert buyer("get", "orders", data={"cursor": "!"}).status_code == 400


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
        assert Command.objects.count() == 0

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
        assert Command.objects.count() == 0

    def test_nobody_and_tokens_without_the_scope(
        self, trader: Callable[..., Trader], product: Product, client: Client
    ) -> None:
        reader = trader("write")
        answer = reader("post", "orders", order(product))
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
        nobody = client.post(f"{BASE}/orders", order(product), content_type="application/json")
        assert nobody.status_code == 401
        wrong = client.get(f"{BASE}/products", headers={"Authorization": "Bearer nobody"})
        assert wrong.status_code == 401

    def test_what_belongs_to_others(
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
        settings.MARKET_RATE_USER = 3
        settings.REDIS_PREFIX += uuid4().hex
        asking = trader()
        answers = [asking("get", "products") for _ in range(5)]
        assert [answer.status_code for answer in answers][:3] == [200, 200, 200]
        late = answers[-1]
        assert late.status_code in {429, 200}
        limited = [answer for answer in answers if answer.status_code == 429]
        assert limited, "a new minute began twice within five calls"
        assert int(limited[0]["Retry-After"]) >= 1


class TestBreakingOff:
    def running(self, node: Node, holder: Trader) -> Lease:
        begun = market.lease(
            node, holder=Principal(user=holder.user), start=floor_minute(database_now()), hours=2
        )
        jobs.start_leases(now=database_now())
        begun.refresh_from_db()
        assert begun.token is not None
        leasing.take_up(node=node, lease_id=begun.pk, token=begun.token, now=database_now())
        return begun

    def test_by_the_provider_takes_notice(
        self, trader: Callable[..., Trader], seller: Trader, node: Node
    ) -> None:
        holder = trader()
        lease = self.running(node, holder)
        asked = {"preempt_at": (database_now() + timedelta(minutes=30)).isoformat(), "reason": "repair"}
        address = f"leases/{lease.pk}/notice"
        assert holder("post", address, asked).status_code == 404
        soon = {**asked, "preempt_at": database_now().isoformat()}
        assert seller("post", address, soon).json()["code"] == "notice_too_short"
        told = seller("post", address, asked).json()
        assert (told["state"], told["reason"]) == ("preempt_notice", "repair")
        assert told["preempt_at"] is not None

    def test_by_an_operator_is_at_once_and_by_nobody_else(
        self, trader: Callable[..., Trader], seller: Trader, node: Node
    ) -> None:
        lease = self.running(node, trader())
        address = f"leases/{lease.pk}/reclaim"
        assert seller("post", address, {"reason": "abuse"}).json()["code"] == "operator_only"
        reclaimed = trader(is_staff=True)("post", address, {"reason": "abuse"}).json()
        assert reclaimed == {"id": lease.pk, "state": "reclaimed", "reason": "abuse"}


class TestOperators:
    def test_move_money_once_a_key_and_halt(self, trader: Callable[..., Trader], product: Product) -> None:
        operator, buyer = trader(is_staff=True), trader(funds=0)
        money = {"account": buyer.user.name, "amount_micros": 5_000_000, "key": "k1"}
        first = operator("post", "deposits", money)
        assert first.status_code == 201
        assert operator("post", "deposits", money).json()["id"] == first.json()["id"]
        [main, _] = buyer("get", "balance").json()["items"]
        assert main["available_micros"] == 5_000_000
        assert operator("post", "halt", {"product": product.slug}).status_code == 202
        halted = buyer("post", "orders", order(product, gpus=1, limit_price=60))
        assert (halted.status_code, halted.json()["code"]) == (503, "product_halted")


class TestSearch:
    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ({}, 2),
            ({"gpu": "h100"}, 1),
            ({"gpu": "H100,a100"}, 2),
            ({"memory_gb__gte": 60}, 1),
            ({"spec": "h100,a100:80GB..:8"}, 1),
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
