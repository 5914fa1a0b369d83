"""The private stream of an account: every change once and in order, from `start` or a number on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from compute_market.api import account_stream
from compute_market.leases import jobs as leasing
from compute_market.leases.models import Lease
from compute_market.ledger import account_events
from compute_market.ledger.models import Account, AccountEvent
from compute_market.matching.clearing import worker
from compute_market.matching.models import Order
from compute_market.matching.views import fills
from compute_market.offers.models import Node, Product
from foundation.clock import database_now
from hub.accounts.principals import Principal
from tests.compute_market.api.callers import BASE, Trader, order
from tests.factories import exchange, market
from tests.factories import hub as make
from tests.factories.market import namespace_of

pytestmark = pytest.mark.django_db

Found = tuple[int, str, dict[str, Any]]


def events(answer: Any) -> Iterator[Found]:
    """The events of a stream that begin at once; the caller stops reading when it has enough."""
    for piece in answer.streaming_content:
        fields = dict(line.split(": ", 1) for line in piece.decode().splitlines() if ": " in line)
        if "data" in fields:
            yield int(fields["id"]), fields["event"], json.loads(fields["data"])


def first(who: Trader, **headers: str) -> Found:
    answer = who("get", "account/stream", headers={**who.headers, **headers})
    assert answer.status_code == 200, answer.content
    return next(events(answer))


def account_of(who: Trader) -> int:
    return Account.objects.get(namespace=who.user.namespace_id, kind="main").pk


def changes(who: Trader, after: int) -> list[dict[str, Any]]:
    return [json.loads(event.data) for event in account_stream.fetch(str(account_of(who)), after, 10_000)]


def drain() -> None:
    worker.drain_shard(shard=0, now=database_now())


class TestStream:
    def test_tells_orders_fills_leases_and_balance_of_each_commit(
        self, trader: Callable[..., Trader], seller: Trader, node: Node, product: Product
    ) -> None:
        buyer = trader()
        number, name, body = first(buyer)
        assert (name, body["snapshot"]["orders"]) == ("start", f"{BASE}/orders?state=live")
        assert buyer("get", "orders?state=live").status_code == 200
        sold = seller("post", "orders", order(product, "sell", node=node.pk)).json()
        bought = buyer("post", "orders", order(product)).json()
        drain()
        [change] = changes(buyer, number)
        lease = Lease.objects.get()
        [told] = change["orders"]
        shown = buyer("get", f"orders/{bought['id']}").json()
        for field in ("id", "client_order_id", "product", "side", "gpus", "limit_price", "state", "version"):
            assert told[field] == shown[field]
        fill = buyer("get", "fills").json()["items"][0]
        assert {field: fill[field] for field in change["fills"][0]} == change["fills"][0]
        assert [(row["id"], row["order"], row["state"]) for row in change["leases"]] == [
            (lease.pk, bought["id"], "pending")
        ]
        assert change["balances"] == [buyer("get", "balance").json()["items"][0]]
        follower = account_events.follow(account_of(seller))
        assert follower.newest == 0, "what was before anybody followed is in the snapshot"
        market.fund(seller.user.namespace_id, 5)
        buyer("post", f"leases/{lease.pk}/end")
        leasing.advance(now=database_now())
        told_seller = [row for change in changes(seller, 0) for row in change["leases"]]
        assert [row["state"] for row in told_seller] == ["ended", "settled"]
        assert sold["id"] not in {row["id"] for change in changes(buyer, 0) for row in change["orders"]}
        last = [row for change in changes(buyer, 0) for row in change["balances"]][-1]
        assert last == buyer("get", "balance").json()["items"][0]

    def test_goes_on_after_an_id_and_tells_of_a_gap(
        self, trader: Callable[..., Trader], product: Product
    ) -> None:
        buyer = trader()
        number, *_ = first(buyer)
        for name in "abc":
            buyer("post", "orders", order(product, client_order_id=name, gpus=1))
            drain()
        resumed = first(buyer, **{"Last-Event-ID": str(number + 1)})
        assert resumed[:2] == (number + 2, "change")
        assert first(buyer, **{"Last-Event-ID": str(number + 99)})[1] == "gap"
        AccountEvent.objects.filter(number=number + 1).update(at=database_now() - account_events.KEPT * 2)
        account_events.prune(now=database_now())
        newest, name, body = first(buyer, **{"Last-Event-ID": str(number)})
        assert (newest, name, set(body["snapshot"])) == (
            number + 3,
            "gap",
            {"orders", "leases", "balance", "fills"},
        )
        assert first(buyer, **{"Last-Event-ID": str(number + 1)})[:2] == (number + 2, "change")

    def test_a_backlog_is_bounded(
        self, trader: Callable[..., Trader], product: Product, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(account_events, "KEPT_MOST", 2)
        buyer, quiet = trader(), trader()
        first(buyer)
        for name in "abcd":
            for who in (buyer, quiet):
                who("post", "orders", order(product, client_order_id=name, gpus=1))
            drain()
        AccountEvent.objects.filter(account=account_of(quiet)).update(at=database_now() - timedelta(hours=2))
        account_events.prune(now=database_now())
        kept = AccountEvent.objects.order_by("number").values_list("account", "number")
        assert [row for row in kept if row[0] == account_of(buyer)] == [
            (account_of(buyer), 3),
            (account_of(buyer), 4),
        ]
        assert not AccountEvent.objects.filter(account=account_of(quiet)).exists()

    def test_a_bulk_is_cut_into_events_that_fit_a_buffer(
        self, trader: Callable[..., Trader], product: Product
    ) -> None:
        buyer = trader()
        number, *_ = first(buyer)
        bulk = [order(product, client_order_id=f"n{n}", gpus=1) for n in range(250)]
        buyer("post", "orders/bulk", {"orders": bulk})
        drain()
        told = changes(buyer, number)
        assert [len(change["orders"]) for change in told] == [100, 100, 50]
        assert {row["client_order_id"] for change in told for row in change["orders"]} == {
            body["client_order_id"] for body in bulk
        }
        assert [change["number"] for change in told] == [number + 1, number + 2, number + 3]


class TestRights:
    @pytest.mark.parametrize("scope", ["read", "write"])
    def test_needs_a_whole_view_of_the_account(self, trader: Callable[..., Trader], scope: str) -> None:
        assert trader(scope)("get", "account/stream").status_code == 403

    def test_a_token_with_a_cap_sees_its_own_purchases_only(self, trader: Callable[..., Trader]) -> None:
        buyer = trader()
        token = make.token(buyer.user, "deploy", cap_micros=1_000_000)
        headers = {"Authorization": f"Bearer {token}"}
        assert buyer("get", "account/stream", headers=headers).status_code == 403

    def test_of_others_is_not_found(self, trader: Callable[..., Trader], seller: Trader) -> None:
        assert trader()("get", f"account/stream?account={seller.user.namespace.name}").status_code == 404

    def test_end_with_the_token_and_with_the_membership(self, trader: Callable[..., Trader], rf: Any) -> None:
        buyer = trader()
        request = rf.get("/", headers=buyer.headers)
        permitted = account_stream._permission(request, buyer.user.namespace_id)
        other = account_stream._permission(request, make.user().namespace_id)
        assert permitted()
        assert not other()
        buyer.user.access_tokens.all().delete()
        assert not permitted()


class TestOrderOfEvents:
    """A reader that reconnects again and again has seen the same events as the tables hold."""

    def test_is_that_of_the_tables(self, product: Product) -> None:
        buyer, provider = exchange.rich(), exchange.rich()
        machine = exchange.node(provider, product, gpus=64)
        account = Account.objects.get(namespace=namespace_of(buyer), kind="main").pk
        after, seen = account_events.follow(account).newest, []
        for number in range(12):
            exchange.sell(provider, machine, 4, 9)
            bought = exchange.buy(buyer, product, 5, 9)
            exchange.drain()
            if number % 3 == 0:
                found = account_events.read(account, after=after, limit=2)
                seen += found
                after = seen[-1].number if seen else after
            assert bought.pk
        seen += account_events.read(account, after=after, limit=10_000)
        assert [event.number for event in seen] == list(range(seen[0].number, seen[0].number + len(seen)))
        newest = {row[0]: row[6:11] for event in seen for row in event.payload["orders"]}
        recorded = Order.objects.filter(account=account)
        assert newest == {
            o.pk: [o.state, o.filled_gpu_minutes, o.open_gpu_minutes, o.cancelled_gpu_minutes, o.version]
            for o in recorded
        }
        told = [row[0] for event in seen for row in event.payload.get("fills", ())]
        mine = fills.trades_of(fills.orders_of(actor=Principal(user=buyer.user)))
        assert sorted(told) == sorted(mine.values_list("pk", flat=True))
        assert len(told) == len(set(told))
