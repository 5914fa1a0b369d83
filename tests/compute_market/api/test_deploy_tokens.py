"""Tokens with the scope deploy: they buy under their cap, use what they bought, and do nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from compute_market.leases import jobs
from compute_market.leases import services as leasing
from compute_market.leases.models import Lease
from compute_market.ledger.models import Account
from compute_market.offers.models import Node, Product
from foundation.clock import database_now
from tests.compute_market.api.callers import Trader, order
from tests.factories import exchange
from tests.factories import hub as make

pytestmark = pytest.mark.django_db

# One GPU for 24 hours at 12 credits, with the fee of 10 bps.
ONE_GPU_MICROS = 24 * 12_000_000 * 1001 // 1000


@pytest.fixture
def owner(trader: Callable[..., Trader]) -> Trader:
    return trader()


@pytest.fixture
def deployer(owner: Trader, client: Client) -> Callable[..., Trader]:
    """A capped token of the owner's; the cap in orders of one GPU for a day."""

    def make_one(orders: float = 2) -> Trader:
        token = make.token(owner.user, "deploy", cap_micros=int(orders * ONE_GPU_MICROS))
        return Trader(owner.user, client, {"Authorization": f"Bearer {token}"})

    return make_one


@pytest.fixture
def offer(seller: Trader, product: Product, node: Node) -> None:
    placed = seller("post", "orders", order(product, "sell", node=node.pk, client_order_id="offer"))
    assert placed.status_code == 202
    exchange.drain(product.shard_id)


def buy(who: Trader, product: Product, name: str, **changes: object) -> tuple[int, dict[str, object]]:
    answer = who("post", "orders", order(product, client_order_id=name, gpus=1, **changes))
    exchange.drain(product.shard_id)
    return answer.status_code, answer.json()


@pytest.mark.usefixtures("offer")
class TestBuying:
    def test_spends_up_to_its_cap_and_no_more(
        self, deployer: Callable[..., Trader], product: Product
    ) -> None:
        capped = deployer(2)
        assert [buy(capped, product, name)[0] for name in "ab"] == [202, 202]
        status, refused = buy(capped, product, "c")
        assert (status, refused["code"]) == (422, "cap_reached")
        assert (refused["left_micros"], refused["needed_micros"]) == (0, ONE_GPU_MICROS)
        assert {row["client_order_id"] for row in capped("get", "orders").json()["items"]} == {"a", "b"}

    def test_a_resting_order_counts_until_it_is_cancelled(
        self, deployer: Callable[..., Trader], product: Product
    ) -> None:
        capped = deployer(1)
        _, low = buy(capped, product, "low", limit_price=11_940_000)
        assert buy(capped, product, "next")[0] == 422
        assert capped("delete", f"orders/{low['id']}").status_code == 202
        exchange.drain(product.shard_id)
        assert buy(capped, product, "next")[0] == 202

    def test_a_repeated_order_is_counted_once(
        self, deployer: Callable[..., Trader], product: Product
    ) -> None:
        capped = deployer(1)
        assert buy(capped, product, "a")[1]["id"] == buy(capped, product, "a")[1]["id"]

    def test_an_amendment_counts(self, deployer: Callable[..., Trader], product: Product) -> None:
        capped = deployer(1.5)
        _, low = buy(capped, product, "low", limit_price=6_000_000)
        path = f"orders/{low['id']}"
        assert capped("patch", path, {"gpus": 4}).json()["code"] == "cap_reached"
        assert capped("patch", path, {"gpus": 2}).status_code == 202
        exchange.drain(product.shard_id)
        assert capped("get", path).json()["amendment"]["state"] == "accepted"

    def test_a_bulk_stops_at_the_cap(self, deployer: Callable[..., Trader], product: Product) -> None:
        bodies = [order(product, client_order_id=name, gpus=1) for name in "abc"]
        results = deployer(2)("post", "orders/bulk", {"orders": bodies}).json()["results"]
        assert ["order" in result for result in results] == [True, True, False]

    def test_refunds_can_be_spent_again(self, deployer: Callable[..., Trader], product: Product) -> None:
        capped = deployer(1.5)
        buy(capped, product, "a")
        assert buy(capped, product, "b")[0] == 422
        [lease] = capped("get", "leases").json()["items"]
        assert capped("post", f"leases/{lease['id']}/end", {}).json()["state"] == "ended"
        jobs.advance(now=database_now())
        assert Lease.objects.get().refunded_micros == 24 * 12_000_000
        assert buy(capped, product, "b")[0] == 202

    def test_a_fee_for_a_cancelled_lease_is_spent(
        self, deployer: Callable[..., Trader], product: Product
    ) -> None:
        exchange.set_cancellation_term(product, free_hours=1000, fee_bps=6_000)
        capped = deployer(1.5)
        buy(capped, product, "a")
        [lease] = capped("get", "leases").json()["items"]
        capped("post", f"leases/{lease['id']}/end", {})
        jobs.advance(now=database_now())
        assert Lease.objects.get().cancel_fee_micros == 24 * 12_000_000 * 6 // 10
        assert buy(capped, product, "b")[0] == 422


@pytest.mark.usefixtures("offer")
class TestReach:
    def test_sees_and_uses_nothing_but_what_it_bought(
        self, deployer: Callable[..., Trader], owner: Trader, product: Product
    ) -> None:
        _, foreign = buy(owner, product, "by hand")
        capped = deployer(2)
        _, own = buy(capped, product, "by the deployment")
        assert [row["id"] for row in capped("get", "orders").json()["items"]] == [own["id"]]
        [lease] = capped("get", "leases").json()["items"]
        theirs = Lease.objects.get(order_number=int(str(foreign["id"])))
        assert lease["id"] != theirs.pk
        run = {"command": ["nvidia-smi"]}
        # 409: the lease has not begun; a foreign one is not found.
        assert capped("post", f"leases/{lease['id']}/work", run).json()["code"] == "lease_not_running"
        for method, path, body in (
            ("post", f"leases/{theirs.pk}/work", run),
            ("post", f"leases/{theirs.pk}/end", {}),
            ("get", f"leases/{theirs.pk}/logs", None),
            ("get", f"orders/{foreign['id']}", None),
            ("patch", f"orders/{foreign['id']}", {"gpus": 2}),
            ("delete", f"orders/{foreign['id']}", None),
        ):
            assert capped(method, path, body).status_code == 404, (method, path)
        assert capped("get", "balance").status_code == 200

    def test_may_do_nothing_else(
        self, deployer: Callable[..., Trader], owner: Trader, node: Node, product: Product
    ) -> None:
        owner.user.is_staff = True  # a capped token of an operator is no operator
        owner.user.save()
        capped = deployer(4)
        buy(capped, product, "a")
        [lease] = capped("get", "leases").json()["items"]
        money = {"account": owner.user.name, "amount_micros": 1, "key": "k"}
        for path, body in (
            ("orders", order(product, "sell", node=node.pk, client_order_id="s")),
            ("orders/cancel-all", {}),
            (
                f"leases/{lease['id']}/sell-back",
                {"client_order_id": "s", "gpus": 1, "limit_price": 12_000_000},
            ),
            ("deposits", money),
            ("withdrawals", money),
            ("bonds", money),
            ("bonds/release", money),
            ("providers", {}),
            ("halt", {}),
        ):
            answer = capped("post", path, body)
            assert answer.status_code == 403, (path, answer.content)
        for path in ("nodes", "statement", "statement.csv"):
            assert capped("get", path).status_code == 403, path
        assert not Account.objects.filter(kind=Account.Kind.BOND, namespace=owner.user.namespace).exists()

    def test_a_token_that_only_reads_sees_no_orders(self, trader: Callable[..., Trader]) -> None:
        assert trader("read")("get", "orders").json()["code"] == "scope_missing"


class TestWork:
    def test_runs_and_stops_work_in_its_lease(
        self, deployer: Callable[..., Trader], seller: Trader, product: Product, node: Node
    ) -> None:
        now = database_now()
        node.runners = ["fake"]
        node.save(update_fields=["runners"])
        hour = now.replace(minute=0, second=0, microsecond=0)
        body = order(product, "sell", node=node.pk, client_order_id="offer", start=None)
        del body["start"]
        assert seller("post", "orders", body).status_code == 202
        capped = deployer(40)
        bought = order(product, client_order_id="now", gpus=1)
        del bought["start"]
        assert capped("post", "orders", bought).status_code == 202
        exchange.drain(product.shard_id, now=database_now())
        jobs.advance(now=database_now())
        lease = Lease.objects.get(gpus=1)
        assert lease.starts_at >= hour
        assert lease.token is not None
        leasing.take_up(node=node, lease_id=lease.pk, token=lease.token, now=database_now())
        path = f"leases/{lease.pk}/work"
        assert capped("post", path, {"command": ["nvidia-smi"]}).status_code == 202
        assert capped("get", f"leases/{lease.pk}/logs").status_code == 200
        assert capped("delete", path).status_code in {200, 202}
        assert capped("post", f"leases/{lease.pk}/end", {}).status_code == 200
