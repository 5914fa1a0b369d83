"""Ids that are used up, bulks for several accounts, and bodies that are taken as they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from compute_market.leases import jobs
from compute_market.leases import services as leasing
from compute_market.leases.models import Lease, Work
from compute_market.matching import jobs as trading
from compute_market.matching.intake import refusals
from compute_market.matching.models import Command, Order, RefusedOrder
from compute_market.offers.models import Node, Product
from hub.accounts.models import Role
from hub.accounts.principals import Principal
from tests.clock import stopped_at
from tests.compute_market.api.callers import Trader, midnight, order
from tests.factories import hub as make
from tests.factories import market

pytestmark = pytest.mark.django_db


class TestRefusedOrders:
    """Rule M6: an order that is refused at once uses its id up."""

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"gpus": 1, "limit_price": 12_000_001}, "order_invalid"),
            ({"gpus": 1000}, "insufficient_funds"),
            ({"gpus": "8"}, "invalid"),
            ({"product": "h100-nowhere"}, "product_not_found"),
        ],
    )
    def test_are_refused_again_whatever_changed_meanwhile(
        self, trader: Callable[..., Trader], product: Product, changes: dict[str, Any], code: str
    ) -> None:
        buyer = trader(funds=1000)
        body = {**order(product), **changes}
        first = buyer("post", "orders", body)
        assert first.json()["code"] == code
        market.fund(buyer.user.namespace_id, 10**9)
        again = buyer("post", "orders", body)
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        other = buyer("post", "orders", order(product))
        assert (other.status_code, other.json()["code"]) == (409, "client_order_id_reused")
        assert buyer("post", "orders", order(product, client_order_id="c2")).status_code == 202
        assert Order.objects.count() == 1

    def test_say_the_same_in_a_bulk(self, trader: Callable[..., Trader], product: Product) -> None:
        buyer = trader(funds=0)
        poor, malformed = order(product), order(product, client_order_id="c2", gpus=0)
        bulk = {"orders": [poor, malformed, {**malformed, "gpus": -1}, {"client_order_id": "c3"}]}
        first = buyer("post", "orders/bulk", bulk).json()["results"]
        codes = ["insufficient_funds", "invalid", "client_order_id_reused", "invalid"]
        assert [result["error"]["code"] for result in first] == codes
        market.fund(buyer.user.namespace_id, 10**9)
        assert buyer("post", "orders/bulk", bulk).json()["results"] == first
        assert RefusedOrder.objects.count() == 3

    def test_keep_no_body_and_are_forgotten_after_a_day(
        self, trader: Callable[..., Trader], product: Product
    ) -> None:
        buyer = trader(funds=0)
        buyer("post", "orders", order(product))
        row = RefusedOrder.objects.get()
        assert set(row.details) == {"available", "available_micros", "needed", "needed_micros"}
        trading.prune(now=row.refused_at + refusals.KEPT + timedelta(seconds=1))
        market.fund(buyer.user.namespace_id, 10**9)
        assert buyer("post", "orders", order(product)).status_code == 202

    def test_are_bounded_for_each_account(
        self, trader: Callable[..., Trader], product: Product, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(refusals, "ACCOUNT_MAX", 2)
        buyer = trader(funds=0)
        for number in range(4):
            buyer("post", "orders", order(product, client_order_id=f"c{number}"))
        assert RefusedOrder.objects.count() == 2

    def test_a_halted_product_uses_no_id_up(self, trader: Callable[..., Trader], product: Product) -> None:
        buyer, operator = trader(), trader(is_staff=True)
        buyer("post", "orders", order(product, client_order_id="first"))
        operator("post", "halt", {"product": product.slug})
        assert buyer("post", "orders", order(product)).status_code == 503
        operator("post", "resume", {"product": product.slug})
        assert buyer("post", "orders", order(product)).status_code == 202

    def test_of_others_use_nothing_up(self, trader: Callable[..., Trader], product: Product) -> None:
        one, other = trader(), trader()
        body = {**order(product), "account": other.user.namespace.name}
        assert one("post", "orders", {**body, "gpus": 0}).status_code == 403
        assert one("post", "orders", body).status_code == 403
        assert not RefusedOrder.objects.exists()


class TestIds:
    def test_are_taken_as_they_are(self, trader: Callable[..., Trader], product: Product) -> None:
        buyer = trader()
        names = ["pad", " pad ", "pad "]
        for name in names:
            assert buyer("post", "orders", order(product, client_order_id=name, gpus=1)).status_code == 202
        assert sorted(Order.objects.values_list("client_order_id", flat=True)) == sorted(names)


class TestBulksOfSeveralAccounts:
    def test_place_each_order_for_the_account_it_names(
        self, trader: Callable[..., Trader], product: Product
    ) -> None:
        buyer, stranger = trader(), trader()
        team = make.organization(members={buyer.user: Role.ADMIN})
        market.fund(team.pk, 1_000_000)
        own = order(product, client_order_id="own")
        for_team = order(product, client_order_id="team", account=team.name)
        foreign = order(product, client_order_id="foreign", account=stranger.user.namespace.name)
        nobody = order(product, client_order_id="nobody", account="nobody-at-all")
        answers = buyer("post", "orders/bulk", {"orders": [own, for_team, foreign, nobody]}).json()["results"]
        assert [answer.get("order", {}).get("account") for answer in answers] == [
            buyer.user.namespace.name,
            team.name,
            None,
            None,
        ]
        assert [answer["error"]["status"] for answer in answers[2:]] == [403, 404]
        assert Command.objects.filter(kind="new").count() == 2


class TestWords:
    def test_travel_unchanged(self, trader: Callable[..., Trader], node: Node) -> None:
        holder = trader()
        now = midnight()
        lease = running(node, holder, now)
        words = ["run", "  a b  ", "x\n", "", "\t", "ü\r\n"]
        environment = {"A": "  1 ", "B": "", "C": "one\ntwo\n"}
        body = {"command": words, "environment": environment, "runner": "fake"}
        with stopped_at(now):
            answer = holder("post", f"leases/{lease.pk}/work", body)
        assert answer.status_code == 202, answer.content
        work = Work.objects.get()
        assert (work.command, work.environment) == (words, environment)


def running(node: Node, holder: Trader, now: Any) -> Lease:
    """A lease of the holder's that has begun at this moment, for two hours."""
    Node.objects.filter(pk=node.pk).update(runners=["fake"], last_heartbeat_at=now)
    begun = market.lease(node, holder=Principal(user=holder.user), start=now, hours=2)
    jobs.start_leases(now=now)
    begun.refresh_from_db()
    assert begun.token is not None
    leasing.take_up(node=node, lease_id=begun.pk, token=begun.token, now=now)
    return begun


class TestSellBack:
    def test_without_a_start_is_the_same_request_an_hour_later_and_in_the_last_hour(
        self, trader: Callable[..., Trader], node: Node
    ) -> None:
        holder = trader()
        start = midnight()
        lease = running(node, holder, start)
        body = {"client_order_id": "back", "gpus": 1, "limit_price": 6_000_000}
        answers = []
        for minutes in (70, 118):  # both in its last hour
            now = start + timedelta(minutes=minutes)
            Node.objects.filter(pk=node.pk).update(last_heartbeat_at=now)
            with stopped_at(now):
                answers.append(holder("post", f"leases/{lease.pk}/sell-back", body))
        assert [answer.status_code for answer in answers] == [202, 202], answers[-1].content
        first, second = (answer.json() for answer in answers)
        assert first["id"] == second["id"]
        assert first["start"] == (start + timedelta(minutes=70)).isoformat().replace("+00:00", "Z")
