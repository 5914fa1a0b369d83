"""Orders expire and bands move as time passes, by the clock of the database."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from compute_market.matching import jobs, tasks
from compute_market.matching.clearing import checks
from compute_market.matching.errors import (
    OrderInvalid,
)
from compute_market.matching.intake import listings, services
from compute_market.offers.models import Node
from foundation.clock import database_now
from hub.accounts.principals import Principal
from tests.clock import BEGUN
from tests.factories import exchange
from tests.factories.exchange import GTD, MIDNIGHT, again, buy, drain, main_account, sell
from tests.factories.market import CREDIT, NOON, operator

pytestmark = pytest.mark.django_db


def tomorrow() -> dict[str, Any]:
    """A window by the market's clock."""
    start = (BEGUN + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    return {"start": start, "end": start + timedelta(hours=1)}


class TestExpiry:
    def test_ends_orders_whose_time_is_up(self, user: Principal, machine: Node) -> None:
        early = buy(user, machine.product, 1, 12, time_in_force=GTD, expires_at=NOON + timedelta(minutes=5))
        late = buy(user, machine.product, 1, 12)
        drain()
        assert jobs.expire_orders(now=NOON + timedelta(minutes=5)) == {0}
        assert jobs.expire_orders(now=NOON + timedelta(minutes=5)) == set()
        drain()
        assert (again(early).state, again(late).state) == ("expired", "open")

    def test_a_bid_ends_with_the_minute_in_which_its_window_begins(
        self, user: Principal, machine: Node
    ) -> None:
        bid = buy(user, machine.product, 1, 12)
        drain()
        jobs.expire_orders(now=MIDNIGHT + timedelta(seconds=59))
        drain()
        assert again(bid).state == "open"
        jobs.expire_orders(now=MIDNIGHT + timedelta(minutes=1))
        drain()
        assert again(bid).state == "expired"

    def test_an_order_past_its_time_does_not_trade_though_nothing_sweeps(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        until = NOON + timedelta(seconds=30)
        bid = buy(user, machine.product, 1, 12, time_in_force=GTD, expires_at=until)
        offer = sell(provider, machine, 1, 12, now=until)
        drain()
        assert (again(bid).state, again(bid).reason) == ("expired", "expired")
        assert again(offer).state == "open"
        assert main_account(user).held_micros == 0
        # The later request of the sweep is refused, and harmless.
        jobs.expire_orders(now=until)
        drain()
        assert checks.audit() == []

    def test_an_amendment_that_finds_its_order_expired_gives_its_hold_back(
        self, user: Principal, machine: Node
    ) -> None:
        until = NOON + timedelta(seconds=30)
        bid = buy(user, machine.product, 1, 12, time_in_force=GTD, expires_at=until)
        drain()
        services.amend_order(actor=user, order_id=bid.pk, price_micros_per_gpu_hour=18 * CREDIT, now=until)
        drain()
        assert again(bid).state == "expired"
        assert main_account(user).held_micros == 0
        assert checks.audit() == []


class TestClocks:
    def test_a_worker_whose_clock_is_wrong_ends_nothing_early(
        self, user: Principal, machine: Node, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bid = buy(user, machine.product, 1, 12, now=database_now(), **tomorrow())
        drain()
        a_year_ahead = database_now() + timedelta(days=365)
        monkeypatch.setattr(timezone, "now", lambda: a_year_ahead)
        monkeypatch.setattr(time, "time", a_year_ahead.timestamp)
        tasks.sweep_shards()
        drain()
        assert again(bid).state == "open"


class TestBands:
    def test_follow_what_is_paid_step_by_step(
        self, provider: Principal, user: Principal, settings: Any
    ) -> None:
        product = exchange.product(band_bps=5000)
        offered = exchange.node(provider, product)
        sell(provider, offered, 8, 18)
        buy(user, product, 8, 18)
        drain()
        before = listings.ensure(product, now=NOON)
        assert (before.index_micros, before.highest_micros) == (12 * CREDIT, 18 * CREDIT)
        assert jobs.update_bands(now=database_now()) == {0}
        after = listings.ensure(product, now=NOON)
        assert (after.index_micros, after.highest_micros) == (12_600_000, 18_900_000)
        drain()
        buy(user, product, 1, 18.9)
        drain()

    def test_stay_where_nothing_trades(self, user: Principal, machine: Node) -> None:
        buy(user, machine.product, 1, 12)
        assert jobs.update_bands(now=database_now()) == set()

    def test_hold_for_orders_accepted_after_them(self, provider: Principal, user: Principal) -> None:
        product = exchange.product(band_bps=1000)
        services.halt(actor=operator(), product=product.slug, now=NOON)
        services.resume(actor=operator(), product=product.slug, now=NOON)
        bid = buy(user, product, 1, 13.2)
        listings.configure(product, now=NOON, index_micros=6 * CREDIT)
        drain()
        assert again(bid).state == "open"
        with pytest.raises(OrderInvalid):
            buy(user, product, 1, 13.2)
