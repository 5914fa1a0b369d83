"""Trades become leases, further fills join a pending lease, and each step is noted and announced."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.db import transaction

from compute_market.leases import lifecycle
from compute_market.leases.lifecycle import LeaseChange, LeaseOpening
from compute_market.leases.models import JoinedFill, Lease, LeaseEvent
from compute_market.leases.signals import lease_moved, leases_opened
from compute_market.leases.states import State
from compute_market.ledger import account_events, postings
from compute_market.ledger.account_events import LEASES, Changes
from compute_market.ledger.models import AccountEvent
from compute_market.offers.models import GpuHold, Node
from tests.factories import market
from tests.factories.market import CREDIT, NOON, namespace_of, trader

pytestmark = pytest.mark.django_db

START = NOON + timedelta(hours=1)
PRICE = 6 * CREDIT
trades = count(1)


@pytest.fixture
def node() -> Node:
    return market.node(gpus=8)


@pytest.fixture
def fill(node: Node) -> Callable[..., LeaseOpening]:
    """Makes a fill of one buyer's order 1: an hour of one GPU, unless something else is asked for."""
    buyer = postings.open_account(kind="main", namespace_id=namespace_of(trader(funds=1000)), now=NOON).pk
    seller = postings.open_account(kind="main", namespace_id=node.provider.namespace_id, now=NOON).pk

    def make(**changes: Any) -> LeaseOpening:
        gpus, price = changes.pop("gpus", 1), changes.pop("price", PRICE)
        values = {
            "trade_id": next(trades),
            "order_id": 1,
            "shard": node.product.shard_id,
            "product_id": node.product_id,
            "node_id": node.pk,
            "buyer_id": buyer,
            "seller_id": seller,
            "hold_id": None,
            "parent_id": None,
            "gpus": gpus,
            "start": START,
            "end": START + timedelta(hours=1),
            "price_micros_per_gpu_hour": price,
            "notional_micros": gpus * price,
            "buyer_fee_micros": gpus * price // 1000,
            "seller_fee_micros": gpus * price // 2000,
            "is_first": True,
        }
        return LeaseOpening(**values | changes)

    return make


def open_leases(*fills: LeaseOpening, changes: Changes | None = None, now: Any = NOON) -> list[int]:
    """As a commit of trades does: the buyers pay in, then the leases are opened."""
    with transaction.atomic():
        for fill in fills:
            escrow, fees = postings.shard_account_ids(shard=fill.shard, now=NOON)
            locked = postings.lock_accounts(ids=[escrow, fees, fill.buyer_id])
            for to, amount, kind in (
                (escrow, fill.notional_micros, "escrow"),
                (fees, fill.buyer_fee_micros, "fee"),
            ):
                if not amount:
                    continue
                cause = f"trade/{fill.trade_id}/{kind}"
                postings.transfer(
                    debit=locked[fill.buyer_id],
                    credit=locked[to],
                    amount_micros=amount,
                    kind=kind,
                    cause=cause,
                    now=NOON,
                )
        changes = changes or Changes()
        opened = lifecycle.open_from_trades(fills, changes=changes, now=now)
        changes.write(now=now)
    return opened


class TestOpenFromTrades:
    def test_makes_nothing_of_nothing(self) -> None:
        assert open_leases() == []

    def test_makes_a_lease_with_the_terms_of_the_trade(
        self, fill: Callable[..., LeaseOpening], node: Node
    ) -> None:
        trade = fill(gpus=3)
        [pk] = open_leases(trade)
        lease = Lease.objects.get(pk=pk)
        assert (lease.trade_number, lease.order_number, lease.shard) == (trade.trade_id, 1, trade.shard)
        assert (lease.product_id, lease.node_id) == (node.product_id, node.pk)
        assert (lease.holder_id, lease.seller_id) == (trade.buyer_id, trade.seller_id)
        assert (lease.hold_id, lease.parent_id, lease.extends_id) == (None, None, None)
        assert (lease.gpus, lease.joined_gpus) == (3, 0)
        assert (lease.starts_at, lease.ends_at, lease.agreed_end_at) == (trade.start, trade.end, trade.end)
        assert (lease.price_micros_per_gpu_hour, lease.price_micros_per_minute) == (PRICE, 3 * PRICE // 60)
        assert lease.notional_micros == lease.escrow_micros == 3 * PRICE
        assert (lease.buyer_fee_micros, lease.seller_fee_micros) == (18_000, 9_000)
        assert (lease.state, lease.reason, lease.token, lease.opened_at) == ("pending", "", None, NOON)
        assert (lease.metered_through, lease.delivered_minutes, lease.used_micros) == (START, 0, 0)
        assert not JoinedFill.objects.exists()

    def test_joins_fills_of_one_order_node_window_and_seller(
        self, fill: Callable[..., LeaseOpening], node: Node
    ) -> None:
        holds = [
            GpuHold.objects.create(
                node=node,
                gpus=4,
                starts_at=START,
                ends_at=START + timedelta(hours=1),
                cause=f"order/{number}",
                created_at=NOON,
                released_at=NOON,
            ).pk
            for number in range(3)
        ]
        prices = (PRICE, 2 * PRICE, PRICE)
        fills = [
            fill(gpus=gpus, price=price, hold_id=hold)
            for gpus, price, hold in zip((2, 1, 1), prices, holds, strict=True)
        ]
        [pk] = open_leases(*fills)
        lease = Lease.objects.get(pk=pk)
        assert (lease.gpus, lease.joined_gpus, lease.hold_id) == (4, 2, holds[0])
        assert lease.trade_number == fills[0].trade_id
        assert lease.notional_micros == 5 * PRICE
        assert lease.price_micros_per_minute == 5 * PRICE // 60
        assert lease.price_micros_per_gpu_hour == 5 * PRICE // 4
        assert (lease.buyer_fee_micros, lease.seller_fee_micros) == (30_000, 15_000)
        joined = JoinedFill.objects.order_by("trade_number").values_list(
            "lease", "trade_number", "hold", "gpus"
        )
        assert [*joined] == [
            (pk, fills[1].trade_id, holds[1], 1),
            (pk, fills[2].trade_id, holds[2], 1),
        ]

    def test_rounds_the_average_price_down_and_keeps_the_minutes_price_exact(
        self, fill: Callable[..., LeaseOpening]
    ) -> None:
        [pk] = open_leases(fill(gpus=2, price=60), fill(gpus=1, price=120))
        lease = Lease.objects.get(pk=pk)
        assert (lease.price_micros_per_minute, lease.price_micros_per_gpu_hour) == (4, 80)
        open_leases(fill(gpus=4, price=120, is_first=False))
        lease.refresh_from_db()
        assert (lease.gpus, lease.price_micros_per_minute, lease.price_micros_per_gpu_hour) == (7, 12, 102)

    @pytest.mark.parametrize(
        "other",
        [
            {"order_id": 2},
            {"start": START + timedelta(minutes=1), "notional_micros": 59 * PRICE // 60},
            {"end": START + timedelta(minutes=59), "notional_micros": 59 * PRICE // 60},
        ],
    )
    def test_keeps_other_fills_apart(self, fill: Callable[..., LeaseOpening], other: dict[str, Any]) -> None:
        first, second = open_leases(fill(), fill(**other))
        third = open_leases(fill(is_first=False), fill(is_first=False, **other))
        assert third == []
        assert [lease.gpus for lease in Lease.objects.filter(pk__in=[first, second])] == [2, 2]

    def test_keeps_fills_of_other_sellers_and_nodes_apart(
        self, fill: Callable[..., LeaseOpening], node: Node
    ) -> None:
        parent_id = open_leases(fill(gpus=4, order_id=7))[0]
        other = market.node(gpus=1, of=node.product)
        seller = postings.open_account(kind="main", namespace_id=other.provider.namespace_id, now=NOON).pk
        ways = [
            {},
            {"node_id": other.pk, "seller_id": seller},
            {"seller_id": Lease.objects.get(pk=parent_id).holder_id, "parent_id": parent_id},
        ]
        opened = open_leases(*(fill(**way) for way in ways))
        assert len(opened) == 3
        assert [*Lease.objects.filter(pk__in=opened).order_by("pk").values_list("parent", flat=True)] == [
            None,
            None,
            parent_id,
        ]

    def test_grows_a_lease_that_is_pending(self, fill: Callable[..., LeaseOpening]) -> None:
        [pk] = open_leases(fill(gpus=2))
        later = [fill(gpus=1, is_first=False), fill(gpus=3, price=2 * PRICE, is_first=False)]
        assert open_leases(*later) == []
        lease = Lease.objects.get(pk=pk)
        assert (lease.gpus, lease.joined_gpus, lease.notional_micros) == (6, 4, 9 * PRICE)
        assert (lease.price_micros_per_minute, lease.price_micros_per_gpu_hour) == (900_000, 9 * CREDIT)
        assert (lease.buyer_fee_micros, lease.seller_fee_micros) == (54_000, 27_000)
        joined = JoinedFill.objects.order_by("pk").values_list("lease", "trade_number", "gpus")
        assert [*joined] == [(pk, later[0].trade_id, 1), (pk, later[1].trade_id, 3)]

    @pytest.mark.parametrize("change", [{"state": "provisioning"}, {"ends_at": START}])
    def test_does_not_grow_one_that_has_begun_or_was_given_back(
        self, fill: Callable[..., LeaseOpening], change: dict[str, Any]
    ) -> None:
        [pk] = open_leases(fill())
        Lease.objects.filter(pk=pk).update(**change)
        if "state" in change:
            LeaseEvent.objects.create(lease_id=pk, state="provisioning", at=NOON)
        [other] = open_leases(fill(is_first=False))
        assert [lease.gpus for lease in Lease.objects.filter(pk__in=[pk, other])] == [1, 1]

    @pytest.mark.parametrize(("seconds", "free"), [(-1, 0), (0, 0), (1, 1), (59, 1), (60, 0), (61, 0)])
    def test_gives_the_minute_that_has_begun_for_nothing(
        self, fill: Callable[..., LeaseOpening], seconds: int, free: int
    ) -> None:
        [pk] = open_leases(fill(), now=START + timedelta(seconds=seconds))
        assert Lease.objects.get(pk=pk).metered_through == START + timedelta(minutes=free)

    def test_announces_the_new_leases_and_the_first_start(self, fill: Callable[..., LeaseOpening]) -> None:
        heard: list[dict[str, Any]] = []

        def hear(**said: Any) -> None:
            heard.append(said)

        leases_opened.connect(hear, weak=False, dispatch_uid="heard")
        try:
            late = {"start": START + timedelta(minutes=30), "notional_micros": PRICE // 2}
            opened = open_leases(fill(order_id=2, **late), fill(order_id=3))
        finally:
            leases_opened.disconnect(dispatch_uid="heard")
        assert heard == [
            {"signal": leases_opened, "sender": Lease, "lease_ids": opened, "starts_at": START, "now": NOON}
        ]

    def test_tells_holder_and_seller_of_what_opened_and_grew(
        self, fill: Callable[..., LeaseOpening], node: Node
    ) -> None:
        first = fill(gpus=2)
        for account in (first.buyer_id, first.seller_id):
            account_events.follow(account)
        [pk] = open_leases(first)
        open_leases(fill(gpus=1, is_first=False))

        def told(gpus: int) -> list[Any]:
            change = LeaseChange(
                lease=pk,
                order=1,
                product=node.product_id,
                node=node.pk,
                gpus=gpus,
                start=int(START.timestamp()),
                end=int(START.timestamp()) + 3600,
                state="pending",
                reason="",
            )
            return [*change]

        for account in (first.buyer_id, first.seller_id):
            events = account_events.read(account, after=0, limit=100)
            assert [event.payload[LEASES] for event in events if LEASES in event.payload] == [
                [told(2)],
                [told(3)],
            ]


class TestMove:
    @pytest.fixture
    def lease(self, fill: Callable[..., LeaseOpening]) -> lifecycle.LockedLease:
        [pk] = open_leases(fill())
        AccountEvent.objects.all().delete()
        locked = lifecycle.lock_lease(pk)
        assert locked is not None
        return locked

    @pytest.fixture
    def heard(self) -> Any:
        said: list[tuple[Any, ...]] = []

        def hear(*, lease_id: int, node_id: int, state: str, now: Any, **_: object) -> None:
            said.append((lease_id, node_id, state, now))

        lease_moved.connect(hear, weak=False, dispatch_uid="heard")
        yield said
        lease_moved.disconnect(dispatch_uid="heard")

    def test_notes_tells_and_announces_the_step(
        self, lease: lifecycle.LockedLease, heard: list[tuple[Any, ...]]
    ) -> None:
        lifecycle.move(lease, State.RECLAIMED, now=NOON, reason="abuse " * 100)
        lease.refresh_from_db()
        reason = ("abuse " * 100)[:300]
        assert (lease.state, lease.reason, lease.over_at) == ("reclaimed", reason, NOON)
        [event] = lease.events.all()
        assert (event.state, event.reason, event.at) == ("reclaimed", reason, NOON)
        assert heard == [(lease.pk, lease.node_id, "reclaimed", NOON)]
        told = AccountEvent.objects.order_by("account").values_list("account", flat=True)
        assert [*told] == sorted([lease.holder_id, lease.seller_id])

    def test_that_is_no_end_leaves_it_going(self, lease: lifecycle.LockedLease) -> None:
        lifecycle.move(lease, State.PROVISIONING, now=NOON)
        lease.refresh_from_db()
        assert (lease.state, lease.over_at) == ("provisioning", None)

    def test_of_many_is_two_statements_with_the_fields_they_changed(
        self, lease: lifecycle.LockedLease, fill: Callable[..., LeaseOpening], heard: list[tuple[Any, ...]]
    ) -> None:
        [pk] = open_leases(fill(order_id=2))
        AccountEvent.objects.all().delete()
        leases = lifecycle.lock_leases([pk, lease.pk])
        assert [one.pk for one in leases] == [lease.pk, pk]
        for number, one in enumerate(leases):
            one.reason = f"because of {number}"
        lifecycle.move_all(leases, State.PROVISIONING, now=NOON)
        found = Lease.objects.order_by("pk").values_list("state", "reason")
        assert [*found] == [("provisioning", "because of 0"), ("provisioning", "because of 1")]
        events = LeaseEvent.objects.order_by("lease").values_list("lease", "state", "reason", "at")
        assert [*events] == [
            (lease.pk, "provisioning", "because of 0", NOON),
            (pk, "provisioning", "because of 1", NOON),
        ]
        assert heard == [
            (lease.pk, lease.node_id, "provisioning", NOON),
            (pk, lease.node_id, "provisioning", NOON),
        ]
        assert {len(event.payload[LEASES]) for event in AccountEvent.objects.all()} == {2}

    @pytest.mark.parametrize("state", [State.ACTIVE, State.SETTLED, State.PENDING])
    def test_that_the_table_does_not_have_is_a_bug(self, lease: lifecycle.LockedLease, state: State) -> None:
        steps: tuple[Callable[[], None], ...] = (
            lambda: lifecycle.move(lease, state, now=NOON),
            lambda: lifecycle.move_all([lease], state, now=NOON),
        )
        for step in steps:
            with pytest.raises(RuntimeError, match=f"Lease {lease.pk} cannot go from pending to {state}"):
                step()
        assert not LeaseEvent.objects.exists()

    def test_of_a_lease_that_is_not_there_locks_nothing(self) -> None:
        assert lifecycle.lock_lease(987_654) is None
        assert lifecycle.lock_leases([]) == []
