from __future__ import annotations

from typing import Any

import pytest

from compute_market.matching import commandlog, jobs
from compute_market.matching.engine.commands import Configure
from compute_market.matching.intake import listings
from compute_market.matching.intake.terms import PRICE_MAX_MICROS
from compute_market.matching.models import Command, Listing
from compute_market.offers.models import Node, Product
from compute_market.offers.signals import product_changed
from foundation.clock import database_now
from hub.interface import Principal
from tests.factories import exchange
from tests.factories.exchange import again, buy, drain
from tests.factories.market import CREDIT, NOON

# For each field of a product: a new value, and the terms of the engine that change with it.
CHANGES: dict[str, tuple[Any, set[str]]] = {
    "lot": (2, {"lot"}),
    "tick_micros": (6_000, {"tick"}),
    "reference_price_micros": (20 * CREDIT, {"lowest", "highest"}),
    "band_bps": (500, {"lowest", "highest"}),
    "state": (Product.State.HALTED, {"trading"}),
}
# Checked against the product itself when an order is accepted, or what the product is called.
NOT_THE_ENGINES = {
    "id", "shard", "slug", "vendor", "gpu", "form", "memory_gb", "region", "tier", "interconnect",
    "horizon_days", "gpus_max", "fragments",
}  # fmt: skip


class TestBand:
    @pytest.mark.parametrize(
        ("index", "bps", "tick", "expected"),
        [
            (12_000_000, 1000, 60_000, (10_800_000, 13_200_000)),
            (10_000_000, 1000, 60_000, (9_000_000, 10_980_000)),
            (12_000_000, 10_000, 60_000, (60_000, 24_000_000)),
            (12_000_000, 20_000, 60_000, (60_000, 36_000_000)),
            (60, 1, 60, (60, 60)),
            (12_000_000, 0, 60_000, (60_000, PRICE_MAX_MICROS // 60_000 * 60_000)),
        ],
    )
    def test_lies_around_the_index_on_the_tick(
        self, index: int, bps: int, tick: int, expected: tuple[int, int]
    ) -> None:
        assert listings.band(index_micros=index, band_bps=bps, tick_micros=tick) == expected


@pytest.mark.django_db
class TestAProductThatChanges:
    """Every field that the engine goes by reaches it as a command of the log."""

    def test_has_no_field_that_nobody_thought_of(self) -> None:
        assert {field.name for field in Product._meta.fields} == CHANGES.keys() | NOT_THE_ENGINES
        told = set().union(*(terms for _, terms in CHANGES.values()))
        assert told | {"product"} == set(Configure._fields) - listings.ABOUT_THE_COMMAND

    @pytest.mark.parametrize("field", CHANGES)
    @pytest.mark.parametrize("is_announced", [True, False])
    def test_is_sent_to_the_engine(self, field: str, is_announced: bool) -> None:
        product = exchange.product(band_bps=1000)
        listings.configure(product, now=NOON)
        before = dict(Listing.objects.get().told)
        value, terms = CHANGES[field]
        Product.objects.filter(pk=product.pk).update(**{field: value})
        if is_announced:
            product_changed.send(sender=Product, product_id=product.pk, shard=product.shard_id, now=NOON)
        else:  # the sweep finds it
            assert jobs.update_bands(now=database_now()) == {product.shard_id}
        after = Listing.objects.get().told
        assert {name for name in after if after[name] != before[name]} == terms
        *_, last = commandlog.read(shard=product.shard_id, after=0, limit=9)
        assert {name: getattr(last.command, name) for name in after} == after
        assert jobs.update_bands(now=database_now()) == set()
        assert Command.objects.count() == 2

    def test_trades_by_its_new_lot_at_once(self, user: Principal, machine: Node) -> None:
        product = machine.product
        Product.objects.filter(pk=product.pk).update(lot=8)
        product_changed.send(sender=Product, product_id=product.pk, shard=product.shard_id, now=NOON)
        Product.objects.filter(pk=product.pk).update(lot=1)
        product_changed.send(sender=Product, product_id=product.pk, shard=product.shard_id, now=NOON)
        bid = buy(user, product, 1, 12)
        drain()
        assert again(bid).state == "open"
