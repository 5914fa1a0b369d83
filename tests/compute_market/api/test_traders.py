"""The traders' API: from an order to a lease, and operators' calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from compute_market.leases import jobs
from compute_market.leases import services as leasing
from compute_market.leases.models import Lease
from compute_market.matching.models import Order
from compute_market.offers.models import Node, Product
from foundation.clock import database_now, floor_minute
from hub.accounts.principals import Principal
from tests.compute_market.api.callers import BASE, Trader, order
from tests.factories import exchange, market

pytestmark = pytest.mark.django_db


class TestANote:
    def test_is_shown_on_the_order_and_is_part_of_the_request(
        self, trader: Callable[..., Trader], product: Product
    ) -> None:
        buyer = trader()
        wanted = order(product) | {"client_note": " for the nightly run, 夜间 "}
        placed = buyer("post", "orders", wanted)
        assert placed.status_code == 202, placed.content
        assert placed.json()["client_note"] == wanted["client_note"]
        [listed] = buyer("get", "orders").json()["items"]
        assert listed["client_note"] == wanted["client_note"]
        assert buyer("post", "orders", wanted).json()["id"] == placed.json()["id"]
        assert buyer("post", "orders", wanted | {"client_note": "another"}).status_code == 409

    @pytest.mark.parametrize("note", ["x" * 201, "two\nlines", None])
    def test_is_a_printable_text_of_at_most_200_characters(
        self, note: object, trader: Callable[..., Trader], product: Product
    ) -> None:
        answer = trader()("post", "orders", order(product) | {"client_note": note})
        assert answer.status_code == 400, answer.content
        assert "client_note" in answer.content.decode()
        assert not Order.objects.exists()

    def test_is_empty_where_none_is_given(self, trader: Callable[..., Trader], product: Product) -> None:
        assert trader()("post", "orders", order(product)).json()["client_note"] == ""


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

    @pytest.mark.parametrize(
        "item",
        [
            None,
            5,
            "buy",
            [],
            [None],
            {},
            True,
            {"account": None},
            {"client_order_id": {"a": 1}},
            {"gpus": None},
        ],
    )
    def test_bulk_refuses_an_item_that_is_no_order_alone(
        self, trader: Callable[..., Trader], product: Product, item: Any
    ) -> None:
        bodies = [
            order(product, client_order_id="a", gpus=1),
            item,
            order(product, client_order_id="b", gpus=2),
        ]
        answer = trader()("post", "orders/bulk", {"orders": bodies})
        assert answer.status_code == 200, answer.content
        results = answer.json()["results"]
        assert ["order" in result for result in results] == [True, False, True]
        error = results[1]["error"]
        assert (error["code"], error["status"]) == ("invalid", 400)
        assert isinstance(error["errors"], dict)

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
