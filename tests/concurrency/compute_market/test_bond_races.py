"""Bonds under pressure: who trades follows from the order of commits, and no two reviews pass each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Barrier

import pytest
from django.db import transaction

from compute_market.ledger import checks as ledger_checks
from compute_market.matching.clearing import checks, replay, shard_engines
from compute_market.matching.intake import services
from compute_market.matching.models import Command, Cursor, Order
from compute_market.offers import bonds
from compute_market.offers import checks as supply_checks
from compute_market.offers import services as supply
from compute_market.offers.models import Node
from compute_market.offers.signals import announce
from tests.concurrency.races import kinds, race
from tests.factories import exchange
from tests.factories.exchange import buy, drain, rich, sell
from tests.factories.market import NOON, declare, namespace_of, post_bond, release_bond

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

ROUNDS = 6


@pytest.fixture(autouse=True)
def _no_engine_in_memory() -> None:
    shard_engines.forget_all()


def require_right() -> None:
    for shard in (0, 1):
        drain(shard)
        if Cursor.objects.filter(shard=shard).exists():
            assert replay.replay(shard=shard).findings == []
    assert supply_checks.audit() + ledger_checks.audit() + checks.audit() == []


class TestABuyAndTheFact:
    def test_at_once_trade_if_the_buy_is_the_earlier_on_the_log(self) -> None:
        product, owner, user = exchange.product(), rich(), rich()
        for number in range(ROUNDS):
            node = exchange.node(owner, product, gpus=1)
            # By turns: it becomes declared without a bond; it is declared, and its bond becomes too small.
            turn: Callable[[], object] = partial(declare, node)
            if number % 2:
                post_bond(owner, 100)
                declare(node)
                turn = partial(release_bond, owner, 100)
            sell(owner, node, 1, 9)
            drain()
            bid, _turned = race(partial(buy, user, product, 1, 9), turn)
            assert isinstance(bid, Order)
            drain()
            wanted = Command.objects.get(kind=Command.Kind.NEW, order=bid.pk)
            fact = Command.objects.filter(kind=Command.Kind.SUSPEND).latest("sequence")
            assert fact.body == [node.pk]
            bid.refresh_from_db()
            assert (bid.state == "filled") == (wanted.sequence < fact.sequence)
            supply.retire_node(actor=owner, node_id=node.pk, now=NOON)
            drain()
            services.cancel_all(actor=user, namespace_id=namespace_of(user), now=NOON)
            drain()
        require_right()


class TestReviews:
    def declared_with(self, bond: int) -> tuple[Node, Node]:
        """Two nodes of one GPU whose provider has posted so many credits."""
        owner, product = rich(), exchange.product()
        post_bond(owner, bond)
        return exchange.node(owner, product, gpus=1), exchange.node(owner, product, gpus=1)

    def test_without_the_providers_lock_one_bond_stands_for_two_nodes(self) -> None:
        nodes = self.declared_with(bond=100)
        both_have_written = Barrier(2)

        def unlocked(node: Node) -> str:
            with transaction.atomic():
                found = Node.objects.select_for_update().get(pk=node.pk)
                found.hardware = "declared"
                found.save(update_fields=["hardware"])
                both_have_written.wait(timeout=10)
                announce(bonds.review([found]).values(), now=NOON)
            return "reported"

        assert race(*[partial(unlocked, node) for node in nodes]) == ["reported", "reported"]
        assert bonds.misjudged() == [nodes[0].provider_id]

    def test_with_the_lock_neither_trades(self) -> None:
        nodes = self.declared_with(bond=100)
        assert kinds(race(*[partial(declare, node) for node in nodes])) == ["Node", "Node"]
        assert set(Node.objects.values_list("lacks_bond", flat=True)) == {True}
        require_right()

    def test_of_reports_bonds_and_retirements_at_once_wait_for_each_other_in_one_order(self) -> None:
        owner, products = rich(), [exchange.product(), exchange.product(shard=1)]
        post_bond(owner, 300)
        for _round in range(ROUNDS):
            nodes = [exchange.node(owner, products[number % 2], gpus=1) for number in range(4)]
            for node in nodes[:2]:
                declare(node)
            outcomes = race(
                partial(post_bond, owner, 150),
                partial(release_bond, owner, 150),
                *[partial(declare, node) for node in nodes[1:]],
                partial(supply.retire_node, actor=owner, node_id=nodes[0].pk, now=NOON),
                partial(supply.hear, node=nodes[1], runners=[], now=NOON),
            )
            assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
            assert supply_checks.audit() == []
            for node in nodes[1:]:
                supply.retire_node(actor=owner, node_id=node.pk, now=NOON)
        drain()
        require_right()
