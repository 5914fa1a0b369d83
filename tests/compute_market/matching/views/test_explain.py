"""Why has it not filled? Each kind of near miss, on a real book."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compute_market.matching.intake import services
from compute_market.matching.models import Order
from compute_market.matching.views import explain
from compute_market.offers.models import Node, Product
from foundation.clock import HOUR
from hub.accounts.principals import Principal
from tests.factories import exchange
from tests.factories.exchange import BUY, FOK, MIDNIGHT, buy, drain, sell
from tests.factories.market import CREDIT, NOON, operator

pytestmark = pytest.mark.django_db


def like(product: Product, **changes: object) -> Product:
    """The same GPU on other terms."""
    same = {name: getattr(product, name) for name in ("region", "tier", "interconnect")}
    terms = {**same, **changes}
    return exchange.product(slug="h100-sxm-80g." + ".".join(map(str, terms.values())), **terms)


def misses(order: Order) -> list[explain.Miss]:
    drain()
    return explain.misses(Order.objects.select_related("product", "node").get(pk=order.pk), now=NOON)


def told(order: Order) -> list[tuple[str, int]]:
    return [(miss.what, miss.gpus) for miss in misses(order)]


class TestABuy:
    def test_that_meets_nothing_has_no_misses(self, user: Principal, machine: Node) -> None:
        assert misses(buy(user, machine.product, 4, 12)) == []

    def test_that_filled_has_none(self, provider: Principal, user: Principal, machine: Node) -> None:
        sell(provider, machine, 8, 12)
        assert misses(buy(user, machine.product, 4, 12)) == []

    def test_learns_how_many_gpus_a_higher_price_brings(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        for price in (12.12, 12.3, 12.6):
            sell(provider, machine, 2, price)
        found = misses(buy(user, machine.product, 4, 12))
        assert [(miss.what, miss.gpus, miss.difference_micros) for miss in found] == [
            ("dearer", 2, 120_000),
            ("dearer", 4, 300_000),
        ]
        assert found[0].text == "Raise your limit by 0.12 per GPU-hour to get 2 GPUs."

    def test_learns_of_the_hours_at_a_later_time(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 8, 12, hours=(3, 30))
        found = misses(buy(user, machine.product, 4, 12, hours=(0, 10)))
        assert [(miss.what, miss.gpus, miss.hours) for miss in found] == [("later", 4, 3), ("shorter", 4, 7)]
        assert (found[0].start, found[0].end) == (MIDNIGHT + 3 * HOUR, MIDNIGHT + 13 * HOUR)
        assert found[0].text == "4 GPUs at your price, starting 3 hours later: 2026-03-03 03:00 UTC."

    def test_learns_of_the_hours_at_an_earlier_time(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 8, 12, hours=(-11, 8))
        [earlier, shorter] = misses(buy(user, machine.product, 1, 12, hours=(0, 10)))
        assert (earlier.what, earlier.hours, earlier.gpus) == ("earlier", 2, 1)
        assert (shorter.what, shorter.hours) == ("shorter", 8)
        assert "1 GPU at your price for only 8 hours" in shorter.text

    def test_does_not_learn_of_hours_that_have_passed(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 8, 12, hours=(-11, 2))
        found = told(buy(user, machine.product, 1, 12, hours=(0, 20)))
        assert found == [("shorter", 1)]

    def test_learns_of_the_same_gpu_on_other_terms_first(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        own = machine.product
        elsewhere = like(own, region="north")
        on_spot = like(own, tier="spot")
        far = like(own, region="south", tier="spot")
        another = exchange.product(gpu="h200", memory_gb=141, region=own.region)
        small = exchange.product(gpu="l40s", memory_gb=48, region=own.region)
        for number, product in enumerate((another, small, far, on_spot, elsewhere)):
            sell(provider, exchange.node(provider, product), 8, 9 + 0.6 * number)
        found = misses(buy(user, own, 4, 12))
        assert [(miss.what, miss.product) for miss in found] == [
            ("tier", on_spot.slug),
            ("region", elsewhere.slug),
            ("region", far.slug),
        ]
        assert found[0].price_micros == 10_800_000
        assert found[0].text == f"4 GPUs of {on_spot.slug} instead, from 10.80 per GPU-hour."

    def test_learns_of_another_gpu_with_no_less_memory(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        large = exchange.product(gpu="h200", memory_gb=141)
        small = exchange.product(gpu="l40s", memory_gb=48)
        for product in (large, small):
            sell(provider, exchange.node(provider, product), 8, 9)
        assert [(miss.what, miss.product) for miss in misses(buy(user, machine.product, 4, 12))] == [
            ("gpu", large.slug)
        ]

    def test_does_not_learn_of_dearer_hours_elsewhere(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, exchange.node(provider, like(machine.product, region="north")), 8, 15)
        assert misses(buy(user, machine.product, 4, 12)) == []

    def test_that_was_rejected_learns_its_possible_matches(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 2, 12)
        sell(provider, machine, 2, 12.6)
        order = buy(user, machine.product, 4, 12, time_in_force=FOK)
        assert told(order) == [("dearer", 4)]

    def test_wants_only_what_it_did_not_get(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 3, 12)
        sell(provider, machine, 5, 12.6)
        assert told(buy(user, machine.product, 4, 12)) == [("dearer", 1)]

    def test_of_a_halted_product_learns_of_the_halt(self, user: Principal, machine: Node) -> None:
        order = buy(user, machine.product, 4, 12)
        services.halt(actor=operator(), product=machine.product.slug, now=NOON)
        assert told(order) == [("halted", 0)]

    def test_with_a_begun_window_learns_only_of_possible_hours(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 8, 15)
        order = buy(user, machine.product, 4, 12)
        drain()
        assert explain.misses(order, now=MIDNIGHT + HOUR) == []


class TestASell:
    def test_learns_the_prices_of_bids(self, provider: Principal, user: Principal, machine: Node) -> None:
        for price in (9, 11.4, 10.8, 6):
            buy(user, machine.product, 2, price, hours=(2, 6))
        found = misses(sell(provider, machine, 8, 12))
        assert [(miss.what, miss.gpus, miss.difference_micros) for miss in found] == [
            ("cheaper", 2, -600_000),
            ("cheaper", 2, -1_200_000),
            ("cheaper", 2, -3_000_000),
        ]
        assert found[0].text == (
            "Lower your price by 0.60 per GPU-hour to meet a bid for 2 GPUs: "
            "2026-03-03 02:00 – 2026-03-03 06:00 UTC."
        )

    def test_learns_of_bids_for_hours_it_does_not_have(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        buy(user, machine.product, 1, 12, hours=(10, 14))
        buy(user, machine.product, 1, 12, hours=(20, 40))
        [near, far] = misses(sell(provider, machine, 8, 12, hours=(0, 12)))
        assert (near.what, near.hours, far.hours) == ("longer", 2, 20)

    def test_learns_that_the_hours_are_sold(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        offer = sell(provider, machine, 8, 12)
        buy(user, machine.product, 8, 12, hours=(4, 8))
        buy(user, machine.product, 1, 12, hours=(0, 6))
        assert told(offer) == [("sold", 1)]

    def test_of_a_silent_node_learns_of_the_silence(self, provider: Principal, machine: Node) -> None:
        offer = sell(provider, machine, 8, 12)
        drain()
        Node.objects.filter(pk=machine.pk).update(last_heartbeat_at=NOON - timedelta(minutes=5))
        [miss] = misses(offer)
        assert miss.what == "node"
        assert machine.name in miss.text


class TestCost:
    def test_is_a_few_queries_however_much_rests(
        self, provider: Principal, user: Principal, machine: Node, django_assert_max_num_queries: object
    ) -> None:
        for number in range(8):
            sell(provider, machine, 1, 12.6 + number * 0.6)
        order = buy(user, machine.product, 4, 12)
        drain()
        order = Order.objects.select_related("product", "node").get(side=BUY)
        with django_assert_max_num_queries(6):  # type: ignore[operator]
            assert explain.misses(order, now=NOON)[0].price_micros == round(12.6 * CREDIT)
