"""The ladder of a book, the price calendar, and the axis of candles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs

import pytest
from django.test import Client

from compute_market.matching.models import Order
from compute_market.matching.views import marketdata
from compute_market.offers.models import Node
from compute_market.web import charts, ladder
from compute_market.web.forms import amount_of
from foundation.clock import database_now
from hub.accounts.principals import Principal
from tests import clock
from tests.factories import exchange
from tests.factories.exchange import MIDNIGHT, buy, drain, rich, sell
from tests.factories.market import CREDIT, NOON


@pytest.fixture
def provider() -> Principal:
    return rich()


@pytest.fixture
def machine(provider: Principal) -> Node:
    """Eight GPUs, heard just now."""
    return exchange.node(provider, exchange.product(), now=database_now())


class TestTheLadder:
    def test_adds_sizes_up_from_the_best_price_and_marks_own_orders(self) -> None:
        own = Order(side=Order.Side.BUY, price_micros_per_gpu_hour=8)
        found = ladder.ladder([(9, 1), (8, 2)], [(10, 3), (12, 4), (15, 9)], own=[own], levels=2)
        assert [(level.price_micros, level.gpus, level.total) for level in found.asks] == [
            (12, 4, 7),
            (10, 3, 3),
        ]
        assert [(level.total, level.share, level.is_own) for level in found.bids] == [
            (1, 14, False),
            (3, 42, True),
        ]
        assert (found.spread_micros, found.spread_percent) == (1, 10.0)

    @pytest.mark.parametrize(("bids", "asks"), [([], []), ([(9, 1)], []), ([], [(9, 1)])])
    def test_has_no_spread_without_both_sides(
        self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]
    ) -> None:
        assert ladder.ladder(bids, asks, own=[], levels=12).spread_micros is None


class TestTheAxis:
    @pytest.mark.parametrize(
        ("low", "high", "lines"),
        [
            (9_000_000, 13_000_000, [9, 10, 11, 12, 13]),
            (16_616_400, 18_543_600, [17, 17.5, 18, 18.5]),
            (120_000, 130_000, [0.12, 0.122, 0.124, 0.126, 0.128, 0.13]),
        ],
    )
    def test_has_few_lines_at_round_prices(self, low: int, high: int, lines: list[float]) -> None:
        trades = [(NOON, low, 1), (NOON, high, 1)]
        found = charts.scale(charts.candles(trades, period=timedelta(hours=1)))
        assert found is not None
        assert [price / CREDIT for _, price in found.lines] == lines

    def test_has_one_line_in_the_middle_for_one_price(self) -> None:
        found = charts.scale(charts.candles([(NOON, 9, 1)], period=timedelta(hours=1)))
        assert found is not None
        assert found.lines == [(charts.HEIGHT / 2, 9)]

    def test_candles_have_bars_of_their_volume(self) -> None:
        trades = [(NOON, 9, 1), (NOON + timedelta(hours=1), 9, 4)]
        small, large = charts.candles(trades, period=timedelta(hours=1))
        assert (small.volume_height, large.volume_height) == (10, 40)
        assert small.volume_y + small.volume_height == large.volume_y + large.volume_height


@pytest.mark.django_db
class TestTheCalendar:
    def test_has_the_lowest_price_of_each_start_that_the_window_fits_in(
        self, provider: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 4, 9, hours=(0, 10))
        sell(provider, machine, 4, 6, hours=(8, 12))
        drain()
        found = marketdata.calendar(machine.product, hours=2, now=MIDNIGHT - timedelta(minutes=30))
        assert len(found) == 168
        prices = [hour.price_micros and hour.price_micros // CREDIT for hour in found[:12]]
        assert prices == [9, 9, 9, 9, 9, 9, 9, 9, 6, 6, 6, None]
        assert found[0].start == MIDNIGHT
        days = ladder.calendar_days(found)
        assert days[0][1][8] is not None
        assert (days[0][1][8].price, days[0][1][8].shade) == ("6.00", "shade-lowest")
        assert ladder.calendar_days(found[12:]) == []

    def test_reads_a_bounded_number_of_levels(
        self, provider: Principal, machine: Node, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sell(provider, machine, 1, 6, hours=(0, 1))
        sell(provider, machine, 1, 9, hours=(0, 2))
        drain()
        monkeypatch.setattr(marketdata, "CALENDAR_LEVELS_MAX", 1)
        found = marketdata.calendar(machine.product, hours=1, now=MIDNIGHT - timedelta(minutes=30))
        assert [hour.price_micros for hour in found[:2]] == [6 * CREDIT, None]


@pytest.mark.django_db
class TestTheProductPage:
    @pytest.fixture(autouse=True)
    def _one_moment(self) -> Iterator[None]:
        """No hour ends between what a test reads of the clock and what a page does."""
        with clock.stopped_at(clock.moment()):
            yield

    def test_has_prices_that_fill_the_ticket_and_own_orders_marked(
        self, provider: Principal, machine: Node
    ) -> None:
        now = database_now()
        begins = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        who = rich()
        window = {"now": now, "start": begins, "end": begins + timedelta(hours=24)}
        sell(provider, machine, 2, 9, **window)
        buy(who, machine.product, 1, 6, **window)
        drain(now=now)
        browser = Client()
        assert who.user is not None
        browser.force_login(who.user)
        address = f"/market/products/{machine.product.slug}"
        page = browser.get(address).content.decode()
        assert 'href="?hours=24&amp;price=9.00#ticket"' in page
        assert page.count(">yours<") == 1
        assert "spread 3.00 (33.3%)" in page
        assert 'id="calendar"' in page
        ticket = browser.get(f"{address}?hours=24&price=9.00").content.decode()
        assert 'name="price" value="9.00"' in ticket
        assert ">yours<" in browser.get(f"{address}/news?hours=24").content.decode()
        assert "yours" not in Client().get(address).content.decode()
        assert len(page.encode()) < 120_000

    def test_has_prices_that_keep_what_the_ticket_says(self, provider: Principal, machine: Node) -> None:
        now = database_now()
        begins = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        sell(provider, machine, 8, 9, now=now, start=begins, end=begins + timedelta(hours=40))
        drain(now=now)
        browser, address = Client(), f"/market/products/{machine.product.slug}"
        query = f"?gpus=6&machines=any&start={begins:%Y-%m-%dT%H:%M}&price=7.00"
        for path in (address, f"{address}/news"):
            page = unescape(browser.get(path + query).content.decode())
            links = [parse_qs(link) for link in re.findall(r'href="\?([^"]*)#ticket"', page)]
            assert len(links) > (1 if path == address else 0)
            for link in links:
                assert {"gpus": ["6"], "machines": ["any"], "price": ["9.00"]}.items() <= link.items()
                assert len(link["start"]) == 1
        assert re.search(r'/news\?[^"]*gpus=6', unescape(browser.get(address + query).content.decode()))

    def test_buys_at_the_best_price_after_a_review(self, provider: Principal, machine: Node) -> None:
        now = database_now()
        begins = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        window = {"now": now, "start": begins, "end": begins + timedelta(hours=2)}
        for price in (6, 9, 12):
            sell(provider, machine, 1, price, **window)
        drain(now=now)
        who, browser = rich(), Client()
        assert who.user is not None
        browser.force_login(who.user)
        address = f"/market/products/{machine.product.slug}"
        form = {
            "gpus": 2,
            "start": begins.strftime("%Y-%m-%dT%H:%M"),
            "hours": 2,
            "price": "0.60",
            "time_in_force": 0,
            "client_order_id": "web-now",
            "act": "now",
        }
        page = browser.post(address, form).content.decode()
        assert 'name="price" value="9.00"' in page
        assert '<option value="2" selected>' in page
        assert 'value="place"' in page
        assert not Order.objects.filter(side=Order.Side.BUY).exists()
        browser.post(address, {**form, "act": "place", "price": "9.00", "time_in_force": 2})
        bought = Order.objects.get(side=Order.Side.BUY)
        assert amount_of(bought.price_micros_per_gpu_hour) == "9.00"
        drain(now=now)
        bought.refresh_from_db()
        assert bought.state == "filled"


@pytest.mark.django_db
class TestTheIncomeOfASale:
    def test_is_what_the_bids_pay_for_the_hours_that_they_want(self, machine: Node) -> None:
        now = database_now()
        start = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        end = start + timedelta(hours=10)

        def bid(gpus: int, price: float, first: int, last: int) -> None:
            window = {"start": start + timedelta(hours=first), "end": start + timedelta(hours=last)}
            buy(rich(), machine.product, gpus, price, now=now, **window)

        def sale(gpus: int = 2) -> tuple[int, int]:
            drain(now=now)
            return tuple(marketdata.sale(machine.product, gpus=gpus, start=start, end=end))  # type: ignore[return-value]

        assert sale() == (0, 0)
        bid(1, 12, 0, 2)
        assert sale() == (24 * CREDIT, 2)
        bid(8, 9, 1, 3)  # one GPU is left in its first hour
        assert sale() == ((24 + 18) * CREDIT, 4)
        bid(8, 12, 8, 12)  # ends after the lease
        assert sale() == ((24 + 18) * CREDIT, 4)
        assert sale(gpus=0) == (0, 0)
