"""Random markets through the use cases: every rule at once, held against the naive market and the ledger.

Buys want one node or several, extend leases, fill or kill; leases are sold back and given back late; nodes
turn declared and are retired. The naive market plays the recorded command log, and the tables must agree.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from compute_market import quantities
from compute_market.leases import jobs as leasing
from compute_market.leases import services as leases
from compute_market.leases.models import Lease
from compute_market.leases.states import State
from compute_market.ledger.models import Account
from compute_market.matching import commandlog
from compute_market.matching.intake import services
from compute_market.matching.models import Command, Order, Trade
from compute_market.offers import services as supply
from compute_market.offers.models import Node
from foundation.errors import Refusal
from hub.accounts.principals import Principal
from tests.compute_market.conftest import AUDITS
from tests.compute_market.matching.engine.books import HOUR as HOUR_MINUTES
from tests.compute_market.matching.engine.books import NaiveMarket
from tests.factories import exchange
from tests.factories.exchange import BUY, FOK, GTC, IOC, MIDNIGHT, SELL, drain, rich
from tests.factories.market import CREDIT, NOON, declare, namespace_of, post_bond, trader

pytestmark = pytest.mark.django_db

STEPS = 90
HOURS = 5
HOUR = timedelta(hours=1)


class Market:
    """Three providers, four buyers of whom one is poor, and one product; all of it in the future."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.product = exchange.product()
        self.sellers = [rich() for _ in range(3)]
        self.nodes = [
            exchange.node(owner, self.product, gpus=gpus)
            for owner, gpus in zip((*self.sellers, self.sellers[0]), (24, 16, 16, 8), strict=True)
        ]
        # Sellers buy as well, so orders meet others of their own account.
        self.buyers = [rich(), rich(), trader(funds=150), self.sellers[1]]
        self.traders = {namespace_of(each): each for each in (*self.buyers, *self.sellers)}
        exchange.set_cancellation_term(self.product, free_hours=self.chance.choice((0, 24)), fee_bps=500)
        self.done: dict[str, int] = defaultdict(int)

    def step(self) -> None:
        """One thing that somebody wants; the market may refuse it."""
        weights: dict[Callable[[], object], int] = {
            self.sell: 20, self.buy: 30, self.extend: 6, self.sell_back: 5, self.amend: 8, self.cancel: 5,
            self.cancel_all: 1, self.give_back: 5, self.turn_declared: 1, self.post_a_bond: 2, self.retire: 1,
        }  # fmt: skip
        [action] = self.chance.choices(list(weights), weights=list(weights.values()))
        try:
            is_done = action() is not None
        except Refusal:
            is_done = False
        if is_done:
            self.done[action.__name__] += 1

    def window(self, *, is_whole: bool = False) -> dict[str, datetime]:
        first = 0 if is_whole else self.chance.randrange(HOURS)
        last = HOURS if is_whole else self.chance.randrange(first + 1, HOURS + 1)
        return {"start": MIDNIGHT + first * HOUR, "end": MIDNIGHT + last * HOUR}

    def price(self, side: int) -> float:
        """Most orders cross, and some rest."""
        return self.chance.choice((6, 6.6, 7.2)) + (0.6 if side == BUY else 0)

    def sell(self) -> Order:
        node = self.chance.choice(self.nodes)
        owner = next(o for o in self.sellers if namespace_of(o) == node.provider.namespace_id)
        terms = {"node_id": node.pk, "post_only": self.chance.random() < 0.1}
        terms |= self.window(is_whole=self.chance.random() < 0.6)
        return self.place(owner, SELL, self.chance.randrange(1, 9), **terms)

    def buy(self) -> Order:
        return self.place(
            self.chance.choice(self.buyers),
            BUY,
            self.chance.randrange(1, 11),
            time_in_force=self.chance.choice((GTC, GTC, GTC, IOC, FOK)),
            same_node=self.chance.choice((None, True, True, False)),
            **self.window(),
        )

    def place(self, who: Principal, side: int, gpus: int, **terms: object) -> Order:
        wanted = exchange.request(
            self.product, side, gpus, self.price(side), self_trade=self.chance.randrange(3), **terms
        )
        return exchange.place(who, wanted)

    def extend(self) -> Order | None:
        lease = self.some_lease()
        if lease is None or lease.ends_at >= MIDNIGHT + HOURS * HOUR:
            return None
        return self.place(
            self.holder_of(lease), BUY, lease.gpus, start=None, end=lease.ends_at + HOUR,
            extends_id=lease.pk, time_in_force=self.chance.choice((GTC, FOK)),
        )  # fmt: skip

    def sell_back(self) -> Order | None:
        lease = self.some_lease()
        if lease is None:
            return None
        gpus = self.chance.randrange(1, lease.gpus + 1)
        return self.place(self.holder_of(lease), SELL, gpus, lease_id=lease.pk, start=None, end=lease.ends_at)

    def amend(self) -> Order | None:
        order = self.some_order()
        if order is None:
            return None
        tick = round(self.price(order.side) * CREDIT)
        gpus = self.chance.randrange(1, 11)
        return services.amend_order(
            actor=self.owner_of(order), order_id=order.pk, gpus=gpus, now=NOON,
            price_micros_per_gpu_hour=self.chance.choice((order.price_micros_per_gpu_hour, tick)),
        )  # fmt: skip

    def cancel(self) -> Order | None:
        order = self.some_order()
        return order and services.cancel_order(actor=self.owner_of(order), order_id=order.pk, now=NOON)

    def cancel_all(self) -> int:
        who = self.chance.choice(list(self.traders.values()))
        return services.cancel_all(actor=who, namespace_id=namespace_of(who), now=NOON)

    def give_back(self) -> Lease | None:
        lease = self.some_lease()
        if lease is None:
            return None
        given = leases.end_early(actor=self.holder_of(lease), lease_id=lease.pk, now=NOON)
        leasing.settle_leases(now=NOON)
        return given

    def turn_declared(self) -> Node:
        return declare(self.chance.choice(self.nodes))

    def post_a_bond(self) -> bool:
        post_bond(self.chance.choice(self.sellers), 4000)
        return True

    def retire(self) -> Node:
        node = self.chance.choice(self.nodes[2:])
        return supply.retire_node(actor=self.traders[node.provider.namespace_id], node_id=node.pk, now=NOON)

    def some_lease(self) -> Lease | None:
        found = list(Lease.objects.live().order_by("pk"))
        return self.chance.choice(found) if found else None

    def some_order(self) -> Order | None:
        found = list(Order.objects.live().order_by("pk"))
        return self.chance.choice(found) if found else None

    def holder_of(self, lease: Lease) -> Principal:
        namespace_id = lease.holder.namespace_id
        assert namespace_id is not None
        return self.traders[namespace_id]

    def owner_of(self, order: Order) -> Principal:
        namespace_id = order.account.namespace_id
        assert namespace_id is not None
        return self.traders[namespace_id]


def require_as_the_naive_market() -> None:
    """The naive market plays the log: the same trades in the same order, and the same orders are left."""
    naive = NaiveMarket()
    for entry in commandlog.read(shard=0, after=0, limit=100_000):
        naive.apply(entry.command)
    trades = [
        (
            "trade", t.buy_id, t.sell_id, t.price_micros_per_gpu_hour, t.gpus,
            quantities.to_minutes(t.start), quantities.to_minutes(t.end),
        )
        for t in Trade.objects.order_by("sequence")
    ]  # fmt: skip
    assert trades == [event for event in naive.happened if event[0] == "trade"]
    left = {number: order.left() * HOUR_MINUTES for number, order in naive.live.items()}
    assert dict(Order.objects.live().values_list("pk", "open_gpu_minutes")) == left


def require_one_machine() -> None:
    """Fills of a same-node buy lie on one node and are one lease; fill-or-kill is all or nothing."""
    fills: dict[int, list[Trade]] = defaultdict(list)
    for trade in Trade.objects.order_by("pk"):
        fills[trade.buy_id].append(trade)
    for order in Order.objects.filter(side=BUY).select_related("extends"):
        mine = fills[order.pk]
        if order.same_node:
            assert len({trade.node_id for trade in mine}) <= 1
        if order.extends is not None:
            assert {trade.node_id for trade in mine} <= {order.extends.node_id}
        if order.time_in_force == FOK:
            assert sum(trade.gpus for trade in mine) in {0, order.gpus}
        if order.is_live:
            held = order.reservation
            assert held is not None
            assert held.amount_micros - held.drawn_micros == order.hold_micros
        sources = {(trade.node_id, trade.seller_id, trade.sell.lease_id) for trade in mine}
        bought = Lease.objects.filter(order_number=order.pk)
        assert sum(lease.gpus for lease in bought) == sum(trade.gpus for trade in mine)
        # No lease of these began before all its fills had come: each machine is one lease, unless the
        # holder gave one back and another fill came after that.
        kept = bought.filter(given_up_micros=0).exclude(state=State.SETTLED)
        assert len({(lease.node_id, lease.seller_id, lease.parent_id) for lease in kept}) == len(kept)
        assert len(bought) >= len(sources)


def require_no_gpu_twice() -> None:
    """In no hour are more GPUs leased than a node has, or than a lease has of which parts were sold."""
    size = dict(Node.objects.values_list("pk", "gpus"))
    whole = {lease.pk: lease.gpus for lease in Lease.objects.all()}
    taken: dict[tuple[int, int | None, int], int] = defaultdict(int)
    for lease in Lease.objects.live():
        for hour in range((lease.starts_at - MIDNIGHT) // HOUR, (lease.ends_at - MIDNIGHT) // HOUR):
            taken[lease.node_id, lease.parent_id, hour] += lease.gpus
    for (node_id, parent_id, _hour), gpus in taken.items():
        assert gpus <= (size[node_id] if parent_id is None else whole[parent_id])


def require_right() -> None:
    assert [finding for audit in AUDITS for finding in audit()] == []
    require_as_the_naive_market()
    require_one_machine()
    require_no_gpu_twice()


@pytest.mark.parametrize("seed", range(3))
def test_every_rule_holds_at_once(seed: int) -> None:
    market = Market(seed)
    for number in range(STEPS):
        market.step()
        if market.chance.random() < 0.5:
            drain()
            leasing.lose_leases_of_retired_nodes(now=NOON)
            leasing.settle_leases(now=NOON)
        if number % 10 == 9:
            drain()
            require_right()
    # It was lively enough to say something.
    assert {"sell", "buy", "extend", "sell_back", "amend", "cancel", "give_back"} <= {*market.done}
    assert Trade.objects.filter(buy__same_node=True).count() > 10
    assert Trade.objects.exclude(buy__extends=None).exists()
    assert Lease.objects.exclude(parent=None).exists()
    assert Lease.objects.filter(joined_gpus__gt=0).exists()
    # Nobody was heard from here on: what is left of all leases comes back, and no money stays between.
    for hour in range(HOURS + 2):
        leasing.advance(now=MIDNIGHT + hour * HOUR)
    assert set(Lease.objects.values_list("state", flat=True)) == {State.SETTLED}
    drain(now=MIDNIGHT)
    assert [finding for audit in AUDITS for finding in audit()] == []
    assert Account.objects.get(kind=Account.Kind.ESCROW).balance_micros == 0
    assert Command.objects.filter(kind=Command.Kind.NEW).count() == Order.objects.count()
