"""Traders see their own trades; filters select what their names say; sizes are bounded."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import translation

from compute_market.leases.models import Work
from compute_market.ledger import services as ledger
from compute_market.ledger.errors import MoneyFull
from compute_market.ledger.models import AMOUNT_MAX_MICROS, Account, Transfer
from compute_market.matching import jobs, tasks
from compute_market.matching.intake import services
from compute_market.matching.models import Order
from compute_market.matching.views import statements
from compute_market.offers.models import Node, Product
from foundation.clock import database_now
from hub.interface import SYSTEM
from tests.compute_market.api.callers import BASE, Trader, order
from tests.factories import exchange

pytestmark = pytest.mark.django_db

# 2 GPUs for 24 hours at 12 credits.
NOTIONAL = 2 * 24 * 12_000_000
TAKER_FEE, MAKER_FEE = NOTIONAL // 1000, NOTIONAL // 2000


@pytest.fixture
def buyer(trader: Callable[..., Trader], seller: Trader, product: Product, node: Node) -> Trader:
    """Somebody who bought 2 GPUs of 8 at a better price than their limit."""
    placed = seller("post", "orders", order(product, "sell", node=node.pk, client_order_id="offer"))
    assert placed.status_code == 202
    exchange.drain(product.shard_id)
    buyer = trader()
    bought = buyer("post", "orders", order(product, gpus=2, limit_price=13_200_000))
    assert bought.status_code == 202
    exchange.drain(product.shard_id)
    return buyer


class TestFills:
    def test_say_price_fee_total_order_and_lease(self, buyer: Trader, seller: Trader) -> None:
        [bought] = buyer("get", "fills").json()["items"]
        [lease] = buyer("get", "leases").json()["items"]
        assert (bought["side"], bought["liquidity"], bought["client_order_id"]) == ("buy", "taker", "c1")
        assert bought["price_micros_per_gpu_hour"] == 12_000_000
        assert (bought["fee_micros"], bought["total_micros"]) == (TAKER_FEE, NOTIONAL + TAKER_FEE)
        assert (bought["lease"], bought["order"]) == (lease["id"], lease["order"])
        [sold] = seller("get", "fills").json()["items"]
        assert (sold["side"], sold["liquidity"], sold["id"]) == ("sell", "maker", bought["id"])
        assert sold["total_micros"] == NOTIONAL - MAKER_FEE

    def test_are_filtered_and_paged(self, buyer: Trader, product: Product) -> None:
        buyer("post", "orders", order(product, gpus=1, client_order_id="c2"))
        exchange.drain(product.shard_id)
        first = buyer("get", "fills", data={"limit": 1}).json()
        rest = buyer("get", "fills", data={"limit": 1, "cursor": first["next"]}).json()
        assert [page["items"][0]["client_order_id"] for page in (first, rest)] == ["c2", "c1"]
        assert rest["next"] is None
        number = rest["items"][0]["order"]
        assert len(buyer("get", "fills", data={"order": number}).json()["items"]) == 1
        for query in ({"side": "sell"}, {"product": "none"}, {"since": "2199-01-01T00:00Z"}):
            assert buyer("get", "fills", data=query).json()["items"] == []

    def test_are_nobody_elses(self, buyer: Trader, trader: Callable[..., Trader], client: Client) -> None:
        assert trader()("get", "fills").json()["items"] == []
        assert client.get(f"{BASE}/fills").status_code == 401

    def test_are_summed_up_on_the_order(self, buyer: Trader) -> None:
        [row] = buyer("get", "orders").json()["items"]
        found = buyer("get", f"orders/{row['id']}").json()
        assert found["average_price_micros_per_gpu_hour"] == 12_000_000
        assert found["filled_total_micros"] == NOTIONAL + TAKER_FEE

    def test_stand_on_their_order_the_newest_first(
        self, buyer: Trader, seller: Trader, product: Product, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        [sell] = seller("get", "orders").json()["items"]
        buyer("post", "orders", order(product, gpus=1, client_order_id="c2"))
        exchange.drain(product.shard_id)
        for who in (buyer, seller):
            for row in who("get", "orders").json()["items"]:
                found = who("get", f"orders/{row['id']}").json()
                listed = who("get", found["fills_url"].removeprefix(f"{BASE}/")).json()["items"]
                assert found["fills"] == listed
                assert {fill["order"] for fill in listed} == {row["id"]}
        assert len(seller("get", f"orders/{sell['id']}").json()["fills"]) == 2
        monkeypatch.setattr("compute_market.api.answers.orders.FILLS_SHOWN", 1)
        [shown] = seller("get", f"orders/{sell['id']}").json()["fills"]
        assert shown["id"] == max(fill["id"] for fill in seller("get", "fills").json()["items"])

    def test_of_an_order_that_has_none_are_an_empty_list(
        self, trader: Callable[..., Trader], product: Product
    ) -> None:
        waiting = trader()
        placed = waiting("post", "orders", order(product)).json()
        assert waiting("get", f"orders/{placed['id']}").json()["fills"] == []

    def test_statements_name_order_and_lease(self, buyer: Trader) -> None:
        [fill] = buyer("get", "fills").json()["items"]
        lines = buyer("get", "statement").json()["items"]
        paid = next(line for line in lines if line["kind"] == "escrow")
        assert (paid["order"], paid["lease"]) == (fill["order"], fill["lease"])
        assert f"lease {fill['lease']}" in paid["text"]
        fee = next(line for line in lines if line["kind"] == "fee")
        assert fee["order"] == fill["order"]


class TestLeases:
    def test_tell_their_holder_what_became_of_their_newest_work(self, buyer: Trader, seller: Trader) -> None:
        [lease] = buyer("get", "leases").json()["items"]
        assert lease["work"] is None
        told: dict[str, object] = {"state": "failed", "exit_code": None, "reason": "No such file"}
        for work in ({"state": "exited", "exit_code": 3}, told):
            Work.objects.create(
                lease_id=lease["id"],
                runner="podman",
                command=["train"],
                token=uuid4(),
                requested_at=database_now(),
                **work,
            )
        for path in (f"leases/{lease['id']}", "leases"):
            for who, seen in ((buyer, told), (seller, None)):
                answer = who("get", path).json()
                assert answer.get("items", [answer])[0]["work"] == seen


class TestStatementCsv:
    def test_runs_up_to_the_balance_and_names_order_and_lease_in_words(
        self, buyer: Trader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("compute_market.matching.views.statements.CSV_LINES_AT_ONCE", 2)
        answer = buyer("get", "statement.csv")
        rows = list(csv.DictReader(StringIO(b"".join(answer.streaming_content).decode())))
        items = buyer("get", "statement").json()["items"][::-1]
        for name in ("kind", "amount_micros", "cause", "order", "lease", "text"):
            told = ["" if item[name] is None else str(item[name]) for item in items]
            assert [row[name] for row in rows] == told
        [fill] = buyer("get", "fills").json()["items"]
        paid = next(row for row in rows if row["kind"] == "escrow")
        assert f"lease {fill['lease']}, order {fill['order']}" in paid["text"]
        [main, _] = buyer("get", "balance").json()["items"]
        assert int(rows[-1]["balance_micros"]) == main["balance_micros"]

    def test_is_in_the_language_of_who_asked(self, buyer: Trader) -> None:
        account = Account.objects.get(namespace=buyer.user.namespace_id, kind="main")
        with translation.override("zh-hans"):
            pieces = statements.statement_csv(account=account)
        [line] = [line for line in "".join(pieces).splitlines() if ",escrow," in line]
        with translation.override("zh-hans"):
            assert str(Transfer.Kind.ESCROW.label) in line
        assert str(Transfer.Kind.ESCROW.label) not in line


class TestFilters:
    @pytest.mark.parametrize(
        "path",
        [
            "orders?side=BUY",
            "orders?side=bogus",
            "orders?state=bogus",
            "orders?colour=red",
            "leases?state=bogus",
            "leases?stat=live",
            "fills?side=both",
            "statement?kind=bogus",
            "balance?acount=me",
            "products?gpus=8",
            "tickers?colour=red",
        ],
    )
    def test_that_are_unknown_are_refused(self, trader: Callable[..., Trader], path: str) -> None:
        answer = trader()("get", path)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), path

    def test_the_count_of_a_spec_is_of_offers(self, buyer: Trader, product: Product) -> None:
        def found(spec: str, path: str = "products") -> list[str]:
            items = buyer("get", path, data={"spec": spec, "region": product.region}).json()["items"]
            return [row["product"] for row in items]

        assert found("h100:6") == [product.slug]
        assert found("h100:7") == []
        assert product.slug not in found("h100:7", "offers")

    def test_gpus_offered_are_those_that_exist(self, buyer: Trader, product: Product, node: Node) -> None:
        [row] = buyer("get", "tickers", data={"region": product.region}).json()["items"]
        assert row["offered_gpus"] == node.gpus - 2


class TestCancelAfter:
    def test_ends_all_orders_at_its_time_and_not_before(self, buyer: Trader, product: Product) -> None:
        buyer("post", "orders", order(product, gpus=1, limit_price=6_000_000, client_order_id="low"))
        exchange.drain(product.shard_id)
        at = buyer("post", "orders/cancel-after", {"seconds": 60}).json()["cancel_at"]
        assert at is not None
        now = database_now()
        assert jobs.cancel_overdue(now=now + timedelta(seconds=30)) == 0
        assert jobs.cancel_overdue(now=now + timedelta(seconds=90)) == 1
        assert jobs.cancel_overdue(now=now + timedelta(seconds=120)) == 0
        exchange.drain(product.shard_id)
        assert Order.objects.get(client_order_id="low").state == Order.State.CANCELLED

    def test_is_put_off_and_called_off(self, buyer: Trader) -> None:
        buyer("post", "orders/cancel-after", {"seconds": 1})
        buyer("post", "orders/cancel-after", {"seconds": 1000})
        assert jobs.cancel_overdue(now=database_now() + timedelta(seconds=500)) == 0
        assert buyer("post", "orders/cancel-after", {"seconds": 0}).json() == {"cancel_at": None}
        assert jobs.cancel_overdue(now=database_now() + timedelta(days=2)) == 0

    def test_is_looked_at_by_the_sweep(self, buyer: Trader, product: Product) -> None:
        buyer("post", "orders", order(product, gpus=1, limit_price=6_000_000, client_order_id="low"))
        user = buyer.user
        past = database_now() - timedelta(seconds=5)
        services.cancel_after(actor=SYSTEM, namespace_id=user.namespace_id, seconds=1, now=past)
        tasks.sweep_shards()
        exchange.drain(product.shard_id)
        assert Order.objects.get(client_order_id="low").state == Order.State.CANCELLED


class TestBounds:
    @pytest.mark.breaks_the_books
    def test_money_is_counted_to_the_micro_on_any_database(self, trader: Callable[..., Trader]) -> None:
        namespace_id = trader(funds=0).user.namespace_id
        with pytest.raises(MoneyFull):
            for number in range(100):
                ledger.deposit(
                    actor=SYSTEM,
                    namespace_id=namespace_id,
                    amount_micros=AMOUNT_MAX_MICROS,
                    key=f"k{number}",
                    now=database_now(),
                )
        balance = Account.objects.get(namespace=namespace_id, kind=Account.Kind.MAIN).balance_micros
        assert type(balance) is int
        assert balance % AMOUNT_MAX_MICROS == 0

    @pytest.mark.parametrize("amount", ["NaN", "Infinity", "sNaN", "1e400", "0.0000001", "x"])
    def test_the_command_says_what_is_no_amount(self, trader: Callable[..., Trader], amount: str) -> None:
        with pytest.raises(CommandError):
            call_command("deposit", trader(funds=0).user.name, amount)


def test_every_private_call_has_its_key_and_its_refusals_described(client: Client) -> None:
    described = client.get("/api/schema", headers={"Accept": "application/json"}).json()
    calls = [
        (f"{method} {path}", call)
        for path, calls in described["paths"].items()
        if path.startswith(f"{BASE}/") and not path.startswith(f"{BASE}/agent/")
        for method, call in calls.items()
    ]
    assert len(calls) > 40
    schemes = described["components"]["securitySchemes"]
    for name, call in calls:
        assert {"400", "429", "503"} <= set(call["responses"]), name
        is_public = client.get(f"{BASE}/{call['operationId']}").status_code == 200
        if not call.get("security"):
            assert name.startswith("get "), name
        else:
            assert not is_public, name
            assert {"401", "403"} <= set(call["responses"]), name
            assert set(call["security"][0]) <= set(schemes), name
