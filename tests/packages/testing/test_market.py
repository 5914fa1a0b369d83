from __future__ import annotations

from tests.packages.testing.conftest import RunTests

MARKET = """
import subprocess
import sysconfig
import time
from datetime import UTC, datetime, timedelta

import pytest

from bazaar_client import MarketError

H100 = "h100-sxm-80g.cn-east.reserved.ib"
PRICE = 18_000_000


@pytest.fixture
def market(model_hub):
    market = model_hub.market
    market.clock.freeze("2026-07-01T09:30:00+00:00")
    market.deposit(model_hub.user, 1_000_000_000_000)
    yield market
    assert market.audit() == []


def buy(market, **changes):
    window = {"start": "2026-07-01T10:00:00Z", "end": "2026-07-01T12:00:00Z"}
    order = {"side": "buy", "product": H100, "gpus": 2, "limit_price": PRICE, "wait": 5, **window, **changes}
    return market.client.place(**order)


def the_lease(market):
    [lease] = market.client.leases()
    return lease


def test_is_empty_and_stands_still_at_the_real_time(model_hub):
    now = model_hub.market.clock.now
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)
    assert model_hub.market.client.products() == []
    time.sleep(0.05)
    assert model_hub.market.clock.now == now


def test_decides_an_order_by_the_time_it_is_answered(market):
    market.offer(H100)
    for number in range(20):
        order = buy(market, gpus=1, limit_price=PRICE - 600_000, wait=0)
        assert market.client.order(order["id"])["state"] == "open"


def test_goes_days_ahead(market):
    market.offer(H100, hours=24 * 5)
    buy(market, end="2026-07-06T10:00:00Z", gpus=8)
    market.clock.advance(days=6)
    lease = the_lease(market)
    assert (lease["state"], lease["delivered_minutes"]) == ("settled", 5 * 24 * 60)


def test_does_not_go_back_once_something_was_ordered(market):
    market.clock.freeze("2026-01-01T00:00:00+00:00")
    market.offer(H100)
    with pytest.raises(AssertionError, match="does not go back"):
        market.clock.freeze("2025-01-01T00:00:00+00:00")
    with pytest.raises(AssertionError, match="moves on"):
        market.clock.advance(hours=-1)
    with pytest.raises(AssertionError, match="needs its offset"):
        market.clock.freeze("2026-02-01T00:00:00")


def test_says_what_it_does_not_know(market):
    with pytest.raises(AssertionError, match="The catalogue has no"):
        market.offer("h100")
    with pytest.raises(AssertionError, match="multiple of the tick"):
        market.offer(H100, price_micros=17_000_001)
    with pytest.raises(AssertionError, match="An amount must be"):
        market.deposit("acme", -5)


def test_sells_to_bids_and_to_rivals(model_hub, market):
    market.bid(H100, gpus=4, hours=2, price_micros=PRICE)
    rival = market.client_of(model_hub.add_user("rival"))
    with pytest.raises(MarketError) as caught:
        rival.place(side="buy", product=H100, gpus=1, limit_price=PRICE, end="2026-07-01T12:00:00Z")
    assert caught.value.code == "insufficient_funds"
    market.offer(H100, gpus=8, hours=4)
    market.deposit("rival", 1_000_000_000)
    window = {"start": "2026-07-01T10:00:00Z", "end": "2026-07-01T12:00:00Z"}
    placed = rival.place(side="buy", product=H100, gpus=4, limit_price=PRICE, wait=5, **window)
    assert placed["state"] == "filled"
    assert buy(market, time_in_force="ioc")["state"] == "cancelled"
    assert list(market.client.orders(side="sell")) == []  # the provider's are not the tester's


def test_orders_expire_at_their_time(market):
    market.list_product(H100)
    order = buy(market, time_in_force="gtd", expires_at="2026-07-01T09:45:00Z")
    assert order["state"] == "open"
    market.clock.advance(minutes=14)
    assert market.client.order(order["id"])["state"] == "open"
    market.clock.advance(minutes=1)
    assert market.client.order(order["id"])["state"] == "expired"


def test_commands_fail_and_run_their_time(market):
    market.offer(H100)
    market.command("train*", log="no memory", exit_code=137, minutes=20)
    buy(market)
    market.clock.advance_to("2026-07-01T10:00:00+00:00")
    lease = the_lease(market)["id"]
    market.client.run(lease, ["train", "--big"])
    market.clock.advance(minutes=19)
    assert market.client.logs(lease)["work"]["state"] == "running"
    market.clock.advance(minutes=1)
    work = market.client.logs(lease)["work"]
    assert (work["state"], work["exit_code"]) == ("exited", 137)
    market.client.run(lease, ["nvidia-smi"])
    assert market.client.logs(lease)["text"] == "GPUs 0,1: nvidia-smi\\n"
    market.client.run(lease, ["missing"])
    assert market.client.logs(lease)["work"]["state"] == "failed"


def test_silent_machines_trade_again_when_they_wake(market):
    machine = market.offer(H100)
    machine.silence()
    market.clock.advance(minutes=2)
    assert buy(market)["state"] == "open"
    machine.wake()
    market.settle()
    assert [lease["gpus"] for lease in market.client.leases()] == [2]


def test_lost_and_late_tasks(model_hub, market):
    market.offer(H100)
    drain = "compute_market.matching.tasks.drain_shard"
    lost = model_hub.faults.add(task=drain, lost=True, times=1)
    order = buy(market, wait=0)
    assert (order["state"], lost.hits) == ("pending", 1)
    assert market.client.order(order["id"])["state"] == "pending"
    market.settle()
    assert market.client.order(order["id"])["state"] == "filled"
    time.sleep(1)  # the key of the lost task has expired by then
    late = model_hub.faults.add(task=drain, latency=0.2, times=1)
    started = time.perf_counter()
    assert buy(market)["state"] == "filled" and time.perf_counter() - started > 0.2
    assert late.hits == 1
    nobody = model_hub.faults.add(task="compute_market.leases.tasks.advance_leases", lost=True)
    market.clock.advance(hours=1)
    assert {lease["state"] for lease in market.client.leases()} == {"pending"}
    nobody.remove()
    market.settle()
    assert {lease["state"] for lease in market.client.leases()} == {"active"}


def test_opencsg_lists_stops_and_starts_what_a_lease_serves(model_hub, market):
    def csg(*words):
        done = subprocess.run(
            [f"{sysconfig.get_path('scripts')}/csghub-cli", *map(str, words)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    model_hub.add_model("acme/tiny")
    market.offer(H100)
    buy(market)
    market.clock.advance_to("2026-07-01T10:00:00+00:00")
    lease = the_lease(market)["id"]
    market.command("vllm serve *", log="ready", minutes=None)
    market.client.run(lease, ["vllm", "serve", "acme/tiny"])
    listed = csg("inference", "list", "-u", "tester")
    assert "acme/tiny" in listed and "Running" in listed
    assert "acme/tiny" not in csg("finetune", "list", "-u", "tester")
    assert "OK" in csg("inference", "stop", "acme/tiny", lease)
    assert market.client.logs(lease)["work"]["state"] == "stopped"
    assert "OK" in csg("inference", "start", "acme/tiny", lease)
    assert market.client.logs(lease)["work"]["state"] == "running"
    assert "no instance 9999" in csg("inference", "stop", "acme/tiny", 9999)


def test_starts_again(model_hub):
    market = model_hub.market
    assert market.client.products() == [] and list(market.client.leases()) == []
    assert abs(market.clock.now - datetime.now(UTC)) < timedelta(minutes=1)
"""


class TestMarket:
    def test_is_ones_own(self, run_tests: RunTests) -> None:
        assert "12 passed" in run_tests(MARKET)
