"""A drained batch changes orders, money and GPUs, and publishes events."""

from __future__ import annotations

import pytest

from compute_market.leases.errors import CapacityTaken
from compute_market.ledger.models import AccountEvent
from compute_market.matching.intake import services
from compute_market.matching.models import Outbox
from compute_market.offers.models import GpuHold, Node
from hub.accounts.principals import Principal
from tests.factories.exchange import FOK, IOC, again, buy, drain, main_account, sell
from tests.factories.market import CREDIT, NOON

pytestmark = pytest.mark.django_db


class TestOutcomes:
    def test_a_fok_that_cannot_fill_is_rejected_and_gives_its_hold_back(
        self, user: Principal, machine: Node
    ) -> None:
        bid = buy(user, machine.product, 1, 12, time_in_force=FOK)
        drain()
        bid = again(bid)
        assert (bid.state, bid.reason, bid.cancelled_gpu_minutes) == (
            "rejected",
            "not_fillable",
            bid.total_gpu_minutes,
        )
        assert main_account(user).held_micros == 0

    def test_a_market_order_takes_what_there_is_under_its_cap(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 2, 9)
        bid = buy(user, machine.product, 4, 15, time_in_force=IOC, is_market=True)
        drain()
        bid = again(bid)
        assert (bid.state, bid.reason) == ("cancelled", "immediate_or_cancel")
        assert bid.filled_gpu_minutes == bid.cancelled_gpu_minutes == 2 * 24 * 60
        assert main_account(user).held_micros == 0

    def test_a_finished_sell_gives_its_gpus_back(self, provider: Principal, machine: Node) -> None:
        offer = sell(provider, machine, 8, 9)
        services.cancel_order(actor=provider, order_id=offer.pk, now=NOON)
        drain()
        assert not GpuHold.objects.open().exists()
        sell(provider, machine, 8, 9)

    def test_sold_gpus_stay_taken_when_the_rest_is_cancelled(
        self, provider: Principal, user: Principal, machine: Node
    ) -> None:
        offer = sell(provider, machine, 8, 9)
        buy(user, machine.product, 6, 9)
        drain()
        services.cancel_order(actor=provider, order_id=offer.pk, now=NOON)
        drain()
        with pytest.raises(CapacityTaken):
            sell(provider, machine, 3, 9)
        sell(provider, machine, 2, 9)

    def test_news_goes_to_the_outbox(self, provider: Principal, user: Principal, machine: Node) -> None:
        sell(provider, machine, 8, 9)
        buy(user, machine.product, 4, 9)
        drain()
        news = Outbox.objects.get(topic=f"product/{machine.product_id}").payload
        assert [trade[2:4] for trade in news["trades"]] == [[9 * CREDIT, 4]]
        assert {event.account_id for event in AccountEvent.objects.all()} == {
            main_account(provider).pk,
            main_account(user).pk,
        }
