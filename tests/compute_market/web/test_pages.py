"""The market's pages: what they show, to whom, and at what cost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from bazaar.templatetags.bazaar import money
from compute_market.amounts import credits_of
from compute_market.leases import cancellation, jobs, services
from compute_market.leases import notices as lease_notices
from compute_market.leases.models import Lease
from compute_market.matching.models import Order
from compute_market.matching.views import marketdata, overview
from compute_market.offers.models import Node, Product
from compute_market.runners.assemble import assemble
from compute_market.web import charts
from compute_market.web.views.trading import SORTS
from foundation.clock import database_now, floor_minute
from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.community.models import Notice
from tests import clock
from tests.factories import exchange
from tests.factories.exchange import buy, drain, rich, sell
from tests.factories.market import CREDIT, lease, operator

pytestmark = pytest.mark.django_db


def client_of(who: Principal) -> Client:
    assert who.user is not None
    client = Client()
    client.force_login(who.user)
    return client


@pytest.fixture(autouse=True)
def _one_moment() -> Iterator[None]:
    """No hour ends between what a test reads of the clock and what a page does."""
    with clock.stopped_at(clock.moment()):
        yield


@pytest.fixture
def traded() -> Product:
    return exchange.product()


@pytest.fixture
def machine(traded: Product) -> Node:
    """Eight GPUs, heard just now, so that pages that read the database's clock find it fresh."""
    return exchange.node(rich(), traded, now=database_now())


def hour_after(hours: int) -> str:
    """The full hour so many hours from the current one, as a form says it."""
    begins = database_now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=hours)
    return begins.strftime("%Y-%m-%dT%H:%M")


def offer(machine: Node, price: float, gpus: int = 8) -> Order:
    now = database_now()
    begins = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    order = sell(
        Principal(user=machine.provider.namespace.user),
        machine,
        gpus,
        price,
        now=now,
        start=begins,
        end=begins + timedelta(days=7),
    )
    drain(now=now)
    return order


class TestProducts:
    def test_shows_what_is_offered_in_few_queries(
        self, client: Client, machine: Node, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        offer(machine, 12.00)
        for _ in range(5):
            exchange.product()
        with django_assert_max_num_queries(6):
            page = client.get("/market").content.decode()
        assert "12.00" in page
        listed = page[page.index('id="rows"') :]
        assert listed.count("/market/products/") == 1
        assert "Show 5 products without offers" in listed
        whole = client.get("/market?all=1").content.decode()
        assert whole[whole.index('id="rows"') :].count("/market/products/") == 6

    def test_begin_with_tiles_of_what_can_start_now_and_a_grid_by_region(
        self, client: Client, machine: Node
    ) -> None:
        now = database_now()
        hour = now.replace(minute=0, second=0, microsecond=0)
        provider = Principal(user=machine.provider.namespace.user)
        sell(provider, machine, 3, 12.00, now=now, start=None, end=hour + timedelta(hours=30))
        later = exchange.node(provider, exchange.product(region="far", gpu="h200"), now=now)
        offer(later, 6.00)
        drain(now=now)
        buy(rich(), machine.product, 1, 12.00, now=now, start=None, end=hour + timedelta(hours=2))
        drain(now=now)
        page = client.get("/market").content.decode()
        tiles = page[page.index('id="tiles"') : page.index('id="grid"')]
        assert tiles.count('class="card tile"') == 2
        assert f'href="/market/products/{machine.product.slug}"' in tiles
        assert "GPUs free now" in tiles
        assert "none to start now" in tiles
        grid = page[page.index('id="grid"') : page.index('id="rows"')]
        assert f'<a href="/market/products/{later.product.slug}">6.00</a>' in grid
        assert grid.count("—") == 2

    def test_are_searched_and_sorted(self, client: Client, machine: Node) -> None:
        provider = Principal(user=machine.provider.namespace.user)
        dear = exchange.node(provider, exchange.product(gpu="b200"), now=database_now())
        offer(machine, 6.00)
        offer(dear, 12.00)

        def listed(query: str) -> list[str]:
            page = client.get(f"/market?{query}").content.decode()
            return re.findall(r"/market/products/([\w.-]+)", page[page.index('id="rows"') :])

        assert listed("sort=ask") == [machine.product.slug, dear.product.slug]
        assert listed(f"q={dear.product.region}") == [dear.product.slug]
        assert listed("q=nothing") == []
        assert len(listed("sort=nonsense&page=x")) == 2

    def test_are_sorted_by_their_change_with_those_that_did_not_trade_last(self) -> None:
        found = [
            overview.Row(Product(slug=slug), change_bps=change)
            for slug, change in (("none", None), ("zero", 0), ("down", -5), ("up", 5))
        ]
        found.sort(key=SORTS["change"])
        assert [row.product.slug for row in found] == ["up", "zero", "down", "none"]

    def test_rise_in_red_where_that_is_chosen(self, client: Client) -> None:
        assert "data-rise" not in client.get("/market").content.decode()
        client.post("/preferences", {"rise": "red", "next": "/market"})
        assert 'data-rise="red"' in client.get("/market").content.decode()
        client.post("/preferences", {"rise": "", "next": "/market"})
        assert "data-rise" not in client.get("/market").content.decode()

    def test_page_of_one_is_public_and_cheap(
        self, client: Client, machine: Node, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        offer(machine, 12.00)
        with django_assert_max_num_queries(9):
            answer = client.get(f"/market/products/{machine.product.slug}")
        assert "12.00" in answer.content.decode()
        assert len(answer.content) < 120_000

    def test_of_an_unknown_name_is_not_found(self, client: Client) -> None:
        assert client.get("/market/products/nothing.here").status_code == 404


class TestTheTicket:
    def test_shows_the_worst_case_before_it_takes_anything(self, machine: Node) -> None:
        offer(machine, 12.00)
        who = client_of(rich())
        address = f"/market/products/{machine.product.slug}"
        begins = database_now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
        form = {
            "gpus": 2,
            "start": begins.strftime("%Y-%m-%dT%H:%M"),
            "hours": 10,
            "price": "12.00",
            "time_in_force": 0,
            "client_order_id": "web-1",
        }
        page = who.post(address, {**form, "act": "review"}).content.decode()
        # 2 GPUs × 10 h × 12.00, and the higher fee: 10 basis points.
        assert "240.00" in page
        assert "240.24" in page
        assert Order.objects.filter(side=Order.Side.BUY).count() == 0
        placed = who.post(address, {**form, "act": "place"})
        order = Order.objects.get(side=Order.Side.BUY)
        assert placed["Location"] == f"/market/orders/{order.pk}"
        assert order.reservation is not None
        assert order.reservation.amount_micros == 240_240_000
        again = who.post(address, {**form, "act": "place"})
        assert again["Location"] == placed["Location"]

    def test_says_in_the_form_what_the_market_refuses(self, traded: Product) -> None:
        form = {
            "gpus": 1,
            "hours": 24,
            "price": "0.01",
            "time_in_force": 0,
            "client_order_id": "web-2",
            "act": "place",
        }
        answer = client_of(rich()).post(f"/market/products/{traded.slug}", form)
        assert answer.status_code == 422
        assert "must be a multiple of the tick, 0.06 credits." in answer.content.decode()

    def test_takes_the_terms_that_are_folded_away(self, machine: Node) -> None:
        begins = database_now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=3)
        until = begins - timedelta(minutes=90)
        form = {
            "gpus": 1,
            "start": begins.strftime("%Y-%m-%dT%H:%M"),
            "hours": 1,
            "price": "12.00",
            "time_in_force": 0,
            "expires_at": until.strftime("%Y-%m-%dT%H:%M"),
            "post_only": "on",
            "self_trade": Order.SelfTrade.CANCEL_OLDEST.value,
            "client_order_id": "web-4",
        }
        who, address = client_of(rich()), f"/market/products/{machine.product.slug}"
        assert '<details class="facet"><summary>Advanced options' in who.get(address).content.decode()
        reviewed = who.post(address, {**form, "act": "review"}).content.decode()
        assert '<details class="facet" open><summary>Advanced options' in reviewed
        who.post(address, {**form, "act": "place"})
        order = Order.objects.get()
        assert (order.time_in_force, order.expires_at) == (Order.TimeInForce.GTD, until)
        assert (order.post_only, order.self_trade) == (True, Order.SelfTrade.CANCEL_OLDEST)

    def test_says_which_of_them_do_not_go_together(self, machine: Node) -> None:
        form = {
            "gpus": 1,
            "hours": 1,
            "price": "12.00",
            "time_in_force": Order.TimeInForce.FOK.value,
            "post_only": "on",
            "client_order_id": "web-5",
            "act": "place",
        }
        answer = client_of(rich()).post(f"/market/products/{machine.product.slug}", form)
        assert answer.status_code == 422
        assert "an immediate order can&#x27;t be post-only." in answer.content.decode()

    def test_says_in_credits_what_is_lacking(self, machine: Node) -> None:
        form = {
            "gpus": 1,
            "hours": 24,
            "price": "12.00",
            "time_in_force": 0,
            "client_order_id": "web-3",
            "act": "place",
        }
        answer = client_of(rich(10)).post(f"/market/products/{machine.product.slug}", form)
        assert "The account has 10.00 credits available" in answer.content.decode()

    def test_shows_the_real_window_and_fractions_of_gpu_hours(self, machine: Node) -> None:
        offer(machine, 12.00)
        page = self.reviewed(machine, hours=10, start=hour_after(2)).content.decode()
        assert "10 h</span>" in page
        assert '<dd class="num">20</dd>' in page

    def reviewed(self, machine: Node, *, who: Principal | None = None, **fields: Any) -> Any:
        form = {"gpus": 2, "hours": 1, "price": "12.00", "time_in_force": 0, "client_order_id": "web-r"}
        asked = {**form, "act": "review", **fields}
        return client_of(who or rich()).post(f"/market/products/{machine.product.slug}", asked)

    @pytest.mark.parametrize("act", ["review", "now", "place"])
    def test_refuses_a_start_at_the_end_of_time_at_its_field(self, machine: Node, act: str) -> None:
        answer = self.reviewed(machine, start="9999-12-31T23:00", hours=24, act=act)
        assert answer.status_code == 422
        assert "Enter a valid date/time." in answer.content.decode()
        assert not Order.objects.exists()

    def test_says_all_that_is_wrong_at_once_at_its_field_before_anything_is_placed(
        self, machine: Node
    ) -> None:
        offer(machine, 12.00)
        answer = self.reviewed(
            machine, who=rich(10), gpus=100_000, price="12.01", hours=24 * 366, start=hour_after(2)
        )
        page = answer.content.decode()
        assert answer.status_code == 422
        assert 'value="place"' not in page
        for said in (
            "must be a whole number from 1 to",
            "must be a multiple of the tick, 0.06 credits.",
            "must be within",
            "The account has 10.00 credits available",
        ):
            assert said in page
        assert page.count('aria-invalid="true"') == 3

    def test_says_what_is_on_offer_and_warns_of_a_limit_far_above_it(self, machine: Node) -> None:
        offer(machine, 12.00, gpus=4)
        page = self.reviewed(machine, gpus=6, price="120", start=hour_after(2)).content.decode()
        assert "4 of 6 GPUs" in page
        assert "Your limit of 120.00 is far above the best offer, 12.00." in page
        assert "The rest stays open" in page
        near = self.reviewed(machine, gpus=4, price="12.60", start=hour_after(2)).content.decode()
        assert "far above" not in near
        assert "1,000,000.00" in near

    def test_of_an_order_that_cannot_start_now_moves_it_to_the_next_hour_instead_of_letting_it_expire(
        self, machine: Node
    ) -> None:
        offer(machine, 12.00)
        who = rich()
        page = self.reviewed(machine, who=who, price="11.40", act="place").content.decode()
        assert "An order that starts now can't wait for offers" in page
        start = hour_after(1)
        assert f'name="start" value="{start}"' in page
        assert not Order.objects.filter(side=Order.Side.BUY).exists()
        placed = self.reviewed(machine, who=who, price="11.40", start=start, act="place")
        assert placed.status_code == 302
        drain(now=database_now())
        assert Order.objects.get(side=Order.Side.BUY).state == Order.State.OPEN

    def test_takes_what_is_on_offer_now(self, traded: Product, machine: Node) -> None:
        now = floor_minute(database_now())
        owner = Principal(user=machine.provider.namespace.user)
        ends = now.replace(minute=0) + timedelta(days=2)
        sell(owner, machine, 8, 12.00, now=now, start=None, end=ends)
        drain(now=now)
        who = rich()
        first = client_of(who).get(f"/market/products/{traded.slug}").content.decode()
        assert 'name="start"' in first
        assert 'name="start" value=' not in first
        assert self.reviewed(machine, who=who, act="place").status_code == 302
        drain(now=database_now())
        assert Order.objects.get(side=Order.Side.BUY).state == Order.State.FILLED


class TestLinksToATicket:
    def test_of_a_quote_keeps_all_that_was_asked(self, machine: Node) -> None:
        offer(machine, 12.00)
        who = client_of(rich())
        page = who.get("/market/quote?gpus=6&hours=10&days=1").content.decode()
        [address] = set(re.findall(r'href="(/market/products/[^"]*gpus[^"]*)"', page))
        ticket = who.get(unescape(address)).content.decode()
        assert 'name="gpus" value="6"' in ticket
        assert 'name="hours" value="10"' in ticket
        assert f'name="start" value="{hour_after(1)}"' in ticket
        assert 'name="price" value="12.00"' in ticket

    def test_own_orders_of_any_window_stand_beside_the_book(self, machine: Node) -> None:
        buyer = rich()
        begins = datetime.fromisoformat(hour_after(2)).replace(tzinfo=UTC)
        order = buy(
            buyer,
            machine.product,
            1,
            6,
            now=database_now(),
            start=begins,
            end=begins + timedelta(hours=48),
        )
        drain(now=database_now())
        address = f"/market/products/{machine.product.slug}?hours=1"
        assert f"/market/orders/{order.pk}" in client_of(buyer).get(address).content.decode()
        assert f"/market/orders/{order.pk}" not in client_of(rich()).get(address).content.decode()

    def test_of_the_windows_of_a_book_keep_the_ticket(self, machine: Node) -> None:
        start = hour_after(3)
        asked = f"/market/products/{machine.product.slug}?gpus=6&start={start}&price=9.00"
        page = client_of(rich()).get(asked).content.decode()
        links = [unescape(link) for link in re.findall(r'href="(\?[^"]*hours=[^"]*)"', page)]
        assert len(links) == 3
        for link in links:
            assert {"gpus": ["6"], "price": ["9.00"], "start": [start]}.items() <= parse_qs(link[1:]).items()

    def test_to_another_product_keep_the_order_that_did_not_fill(self, machine: Node) -> None:
        offer(machine, 12.00)
        twin = exchange.product()
        buyer = rich()
        begins = datetime.fromisoformat(hour_after(2)).replace(tzinfo=UTC)
        order = buy(buyer, twin, 3, 12, now=database_now(), start=begins, end=begins + timedelta(hours=5))
        drain(now=database_now())
        page = client_of(buyer).get(f"/market/orders/{order.pk}").content.decode()
        [address] = re.findall(rf'href="(/market/products/{machine.product.slug}\?[^"]*)"', page)
        asked = parse_qs(urlsplit(unescape(address)).query)
        assert asked == {"gpus": ["3"], "hours": ["5"], "start": [hour_after(2)], "price": ["12.00"]}


class TestQuotes:
    def test_find_the_cheapest_start_and_its_exact_cost(self, machine: Node, client: Client) -> None:
        offer(machine, 12.00, gpus=4)
        offer(machine, 13.20, gpus=4)
        [quote] = marketdata.quotes([machine.product], gpus=6, hours=10, within_days=1, now=database_now())
        assert quote.limit_micros == 13_200_000
        assert quote.cost.notional_micros == (4 * 12_000_000 + 2 * 13_200_000) * 10
        page = client.get("/market/quote?gpus=6&hours=10&days=1").content.decode()
        assert "limit 13.20" in page

    def test_are_none_where_nothing_covers_the_window(self, machine: Node) -> None:
        offer(machine, 12.00)
        assert marketdata.quotes([machine.product], gpus=9, hours=1, within_days=1, now=database_now()) == []


class TestOrders:
    def test_of_others_are_not_found(self, machine: Node) -> None:
        order = offer(machine, 12.00)
        assert client_of(rich()).get(f"/market/orders/{order.pk}").status_code == 404
        assert Client().get("/market/orders").status_code == 302

    def test_can_be_cancelled(self, machine: Node) -> None:
        order = offer(machine, 12.00)
        owner = client_of(Principal(user=machine.provider.namespace.user))
        owner.post(f"/market/orders/{order.pk}/cancel")
        drain(now=database_now())
        order.refresh_from_db()
        assert order.state == Order.State.CANCELLED

    def test_of_both_sides_can_be_amended(self, machine: Node) -> None:
        buyer = rich()
        sold = offer(machine, 12.00)
        begins = database_now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
        hours = {"start": begins, "end": begins + timedelta(hours=3)}
        bought = buy(buyer, machine.product, 2, 6, now=database_now(), **hours)
        drain(now=database_now())
        owner = Principal(user=machine.provider.namespace.user)
        for who, order, gpus, price in ((owner, sold, 4, "15.00"), (buyer, bought, 3, "9.00")):
            address = f"/market/orders/{order.pk}"
            assert 'name="version"' in client_of(who).get(address).content.decode()
            answer = client_of(who).post(address, {"gpus": gpus, "price": price, "version": 1})
            assert answer["Location"] == address
            assert "is being processed" in client_of(who).get(address).content.decode()
            drain(now=database_now())
            order.refresh_from_db()
            assert (order.gpus, order.price_micros_per_gpu_hour) == (gpus, int(float(price) * 1_000_000))

    def test_say_when_a_change_was_refused_and_why(self, machine: Node) -> None:
        buyer = rich()
        offer(machine, 12.00)
        begins = database_now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
        hours = {"start": begins, "end": begins + timedelta(hours=3)}
        order = buy(buyer, machine.product, 2, 9, now=database_now(), post_only=True, **hours)
        drain(now=database_now())
        address = f"/market/orders/{order.pk}"
        client_of(buyer).post(address, {"gpus": 2, "price": "12.00", "version": 1})
        drain(now=database_now())
        page = client_of(buyer).get(address).content.decode()
        assert "was rejected; the order is unchanged: It would have filled immediately" in page

    def test_that_changed_meanwhile_can_be_amended_at_the_second_try(self, machine: Node) -> None:
        order = offer(machine, 12.00)
        owner = client_of(Principal(user=machine.provider.namespace.user))
        refused = owner.post(f"/market/orders/{order.pk}", {"gpus": 4, "price": "12", "version": 7})
        assert refused.status_code == 422
        assert 'name="version" value="1"' in refused.content.decode()

    def test_say_why_they_have_not_filled_in_the_readers_language(self, machine: Node) -> None:
        buyer = rich()
        offer(machine, 12.60)
        begins = database_now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
        hours = {"start": begins, "end": begins + timedelta(hours=3)}
        order = buy(buyer, machine.product, 2, 12, now=database_now(), **hours)
        drain(now=database_now())
        address = f"/market/orders/{order.pk}"
        assert (
            "Raise your limit by 0.60 per GPU-hour to get 2 GPUs."
            in client_of(buyer).get(address).content.decode()
        )
        chinese = client_of(buyer).get(address, headers={"Accept-Language": "zh-CN"})
        assert "将限价每 GPU 小时提高 0.60" in chinese.content.decode()

    def test_tell_the_page_to_load_anew_once_its_forms_are_of_no_use(self, machine: Node) -> None:
        order = offer(machine, 12.00)
        owner = client_of(Principal(user=machine.provider.namespace.user))
        address = f"/market/orders/{order.pk}?seen=live"
        assert f'hx-get="{address}"' in owner.get(f"/market/orders/{order.pk}").content.decode()
        assert "HX-Refresh" not in owner.get(address, headers={"HX-Request": "true"})
        owner.post(f"/market/orders/{order.pk}/cancel")
        drain(now=database_now())
        assert owner.get(address, headers={"HX-Request": "true"})["HX-Refresh"] == "true"
        page = owner.get(f"/market/orders/{order.pk}").content.decode()
        assert "Cancel remaining" not in page
        assert "Why has it not filled?" not in page

    def test_are_said_in_the_readers_language(self, machine: Node) -> None:
        order = offer(machine, 12.00)
        owner = client_of(Principal(user=machine.provider.namespace.user))
        page = owner.get(f"/market/orders/{order.pk}", headers={"Accept-Language": "zh-CN"}).content.decode()
        assert "挂单中" in page
        assert "取消前有效（GTC）" in page
        product = owner.get(f"/market/products/{machine.product.slug}", headers={"Accept-Language": "zh-CN"})
        assert '<span class="badge brand">预留' in product.content.decode()


class TestALease:
    def test_counts_the_time_of_its_own_window_only(self, machine: Node) -> None:
        begins = floor_minute(database_now()) + timedelta(minutes=57)
        begun = lease(machine, holder=(holder := rich()), start=begins, hours=2)
        page = client_of(holder).get(f"/market/leases/{begun.pk}").content.decode()
        assert '<div class="figure">2 h</div>' in page
        assert re.search(r"long, starts in 5[67] min", page)
        rows = client_of(holder).get("/market/leases", headers={"Accept-Language": "zh-CN"})
        assert re.search(r"5[67] 分钟后开始", rows.content.decode())

    def test_on_offer_names_the_order_and_asks_to_cancel_it_instead_of_failing(self, machine: Node) -> None:
        holder = rich()
        running = self.running(machine, holder)
        browser, address = client_of(holder), f"/market/leases/{running.pk}"
        page = browser.get(address).content.decode()
        # Nothing ends at the first press: the button only opens the question.
        assert re.search(r"<summary[^>]*>\s*End now</summary>", page)
        assert "This can't be undone." in page
        sale = {"act": "sell", "gpus": running.gpus, "price": "12.00", "client_order_id": "web-s"}
        assert browser.post(address, sale).status_code == 302
        order = Order.objects.get(lease=running.pk)
        page = browser.get(address).content.decode()
        assert f'href="/market/orders/{order.pk}"' in page
        assert "End now</summary>" not in page
        answer = browser.post(f"{address}/act", {"act": "end"}, follow=True)
        assert answer.status_code == 200
        assert "listed for sale" in answer.content.decode()

    def test_that_ends_early_says_what_comes_back(self, machine: Node) -> None:
        holder = rich()
        running = self.running(machine, holder)
        browser, address = client_of(holder), f"/market/leases/{running.pk}"
        page = browser.post(f"{address}/act", {"act": "end"}, follow=True).content.decode()
        running.refresh_from_db()
        assert f"worth {money(running.given_up_micros)}, is refunded" in page

    def test_compares_its_end_with_a_resale_in_money(self, machine: Node) -> None:
        holder, now = rich(), database_now()
        running = self.running(machine, holder)
        address = f"/market/leases/{running.pk}"
        browser = client_of(holder)
        page = browser.get(address).content.decode()
        refund = cancellation.refund_micros(running, now=now)
        assert refund > 0
        assert f"{credits_of(refund)} credits back" in page
        assert "no bids for these hours" in page
        hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        # More GPUs than the lease has.
        buy(rich(), machine.product, 8, 6.00, now=now, start=hour, end=hour + timedelta(hours=1))
        drain(now=now)
        page = browser.get(address).content.decode()
        assert "6.00 credits before the fee, for 1 of 1 GPU-hours" in page
        ended = services.end_early(actor=holder, lease_id=running.pk, now=now)
        assert ended.given_up_micros == refund

    def test_is_shown_on_the_pages_of_its_holder(self, machine: Node) -> None:
        holder, program = rich(), rich()
        browser = client_of(holder)
        for who in (holder, program):
            running = self.running(machine, who)
            provider = Principal(user=machine.provider.namespace.user)
            services.give_notice(
                actor=provider,
                lease_id=running.pk,
                preempt_at=database_now() + timedelta(minutes=30),
                reason="repair",
                now=database_now(),
            )
        assert lease_notices.tell_holders(now=database_now()) == 4
        assert lease_notices.tell_holders(now=database_now()) == 0
        listed = browser.get("/notifications").content.decode()
        assert re.search(r"Lease #\d+ has started: 1 GPUs of", listed)
        assert "Save your work." in listed
        assert not Notice.objects.exclude(user=holder.user).exists()
        [address] = set(Notice.objects.values_list("address", flat=True))
        browser.get(address)
        assert not Notice.objects.filter(is_read=False).exists()

    def test_tells_the_page_to_load_anew_when_other_forms_belong_to_it(self, machine: Node) -> None:
        holder = rich()
        begun = lease(machine, holder=holder, start=floor_minute(database_now()), hours=2)
        browser, address = client_of(holder), f"/market/leases/{begun.pk}"
        [seen] = set(re.findall(r"\?seen=(\w+)", browser.get(address).content.decode()))
        htmx = {"HX-Request": "true"}
        assert "HX-Refresh" not in browser.get(f"{address}?seen={seen}", headers=htmx)
        jobs.start_leases(now=database_now())
        begun.refresh_from_db()
        assert begun.token is not None
        services.take_up(node=machine, lease_id=begun.pk, token=begun.token, now=database_now())
        assert browser.get(f"{address}?seen={seen}", headers=htmx)["HX-Refresh"] == "true"

    def running(self, machine: Node, holder: Principal) -> Lease:
        """A lease that its agent has taken up; it ends on a full hour, as all do."""
        begun = lease(machine, holder=holder, start=floor_minute(database_now()).replace(minute=0), hours=2)
        jobs.start_leases(now=database_now())
        begun.refresh_from_db()
        assert begun.token is not None
        services.take_up(node=machine, lease_id=begun.pk, token=begun.token, now=database_now())
        return begun

    def test_can_be_taken_back_by_its_provider_with_notice_and_by_nobody_else(self, machine: Node) -> None:
        holder = rich()
        running = self.running(machine, holder)
        address = f"/market/leases/{running.pk}"
        form = {"act": "notice", "minutes": 30, "reason": "repair"}
        assert "Reclaim the GPUs" not in client_of(holder).get(address).content.decode()
        assert client_of(holder).post(address, form).status_code == 404
        provider = client_of(Principal(user=machine.provider.namespace.user))
        assert "Reclaim the GPUs" in provider.get(address).content.decode()
        assert provider.post(address, {**form, "minutes": 1}).status_code == 422
        assert provider.post(address, form).status_code == 302
        running.refresh_from_db()
        assert running.state == "preempt_notice"
        assert "Save your work." in client_of(holder).get(address).content.decode()

    def test_starts_a_notebook_with_one_button_and_shows_the_ways_in(
        self, machine: Node, settings: Any
    ) -> None:
        settings.MARKET_LEASES_URL = "https://leases.example.org"
        holder = self.with_processes(machine)
        running = self.running(machine, holder)
        address = f"/market/leases/{running.pk}"
        browser = client_of(holder)
        assert "JupyterLab" in browser.get(address).content.decode()
        assert "一键启动" in browser.get(address, headers={"Accept-Language": "zh-CN"}).content.decode()
        assert browser.post(address, {"act": "start", "starter": "nonsense"}).status_code == 400
        assert browser.post(address, {"act": "start", "starter": "jupyterlab"}).status_code == 302
        page = browser.get(address).content.decode()
        path = f"/leases/{running.pk}/ports/notebook"
        assert f'href="{path}/"' in page
        assert f"ssh -p {settings.MARKET_SSH_PORT} {running.pk}@testserver" in page
        sent_on = browser.get(f"{path}/lab?x=1")
        own = f"https://{running.pk}--notebook.leases.example.org/lab?x=1&bazaar-grant="
        assert (sent_on.status_code, sent_on["Location"].startswith(own)) == (302, True)
        # A page of another site's cannot make the browser go there, nor change anything.
        assert browser.get(f"{path}/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert browser.post(f"{path}/").status_code == 403
        assert client_of(rich()).get(f"{path}/").status_code == 404
        settings.MARKET_LEASES_URL = ""
        assert "market forward" in browser.get(address).content.decode()

    def with_processes(self, machine: Node) -> Principal:
        """Let the machine run processes; somebody who can pay for it."""
        machine.runners = ["process"]
        machine.save()
        machine.provider.allows_processes = True
        machine.provider.save()
        return rich()

    def test_takes_ports_with_a_command(self, machine: Node) -> None:
        holder = self.with_processes(machine)
        running = self.running(machine, holder)
        browser, address = client_of(holder), f"/market/leases/{running.pk}"
        form = {"act": "run", "command": "serve --all", "serves": "8888=web engine.sock"}
        assert browser.post(address, {**form, "serves": "99999"}).status_code == 422
        assert browser.post(address, form).status_code == 302
        assert running.works.get().serves == [
            {"port": 8888, "name": "web"},
            {"socket": "engine.sock", "name": "engine"},
        ]


class TestTheConsole:
    def test_of_somebody_who_supplies_nothing_says_how_to_begin(self) -> None:
        newcomer = client_of(rich())
        assert "Sell your GPU time" in newcomer.get("/market/provider").content.decode()
        newcomer.post("/market/provider/register")
        assert "No nodes yet" in newcomer.get("/market/provider").content.decode()

    def test_makes_a_key_and_says_how_to_start_the_agent(self) -> None:
        owner = client_of(rich())
        exchange.product(slug="h100-sxm-80g.test.reserved.ib")
        owner.post("/market/provider/register")
        form = {"act": "enrol", "product": "h100-sxm-80g.test.reserved.ib", "name": "rack-1", "gpus": 8}
        answer = owner.post("/market/provider", form)
        assert "--output agent http://testserver/market/agent\n" in answer.content.decode()
        assert "python3 agent --hub http://testserver --key mbe_" in answer.content.decode()
        assert answer["Cache-Control"] == "no-store"
        page = answer.content.decode()
        assert '<optgroup label="H100 SXM 80 GB">' in page
        # The page that shows the key looks for the machine, and leads on once it is there.
        [waiting] = re.findall(r'hx-get="([^"]*enrolling=0)"', page)
        htmx = {"HX-Request": "true"}
        assert "HX-Redirect" not in owner.get(unescape(waiting), headers=htmx)
        exchange.node(
            Principal(user=User.objects.get(pk=owner.session["_auth_user_id"])), Product.objects.get()
        )
        assert owner.get(unescape(waiting), headers=htmx)["HX-Redirect"].startswith("/market/provider")

    def test_agent_is_given_to_anybody_in_one_file(self, client: Client) -> None:
        answer = client.get("/market/agent")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/x-python; charset=utf-8")
        assert answer.headers["Content-Disposition"] == 'attachment; filename="agent"'
        assert answer.content.decode() == assemble()
        assert client.post("/market/agent").status_code == 405

    def test_places_offers_that_begin_now_and_shows_them(self, machine: Node) -> None:
        owner = client_of(Principal(user=machine.provider.namespace.user))
        end = (database_now() + timedelta(days=2)).strftime("%Y-%m-%dT%H:00")
        form = {"act": "offer", "node": machine.pk, "gpus": 8, "end": end, "price": "12.00"}
        owner.post("/market/provider", {**form, "client_order_id": "web-9"})
        order = Order.objects.get()
        assert order.start - database_now() <= timedelta(minutes=1)
        assert f"/market/orders/{order.pk}" in owner.get("/market/provider").content.decode()
        refused = owner.post("/market/provider", {**form, "client_order_id": "web-10"})
        assert refused.status_code == 422

    def test_shows_what_was_earned_and_what_is_due(self, machine: Node) -> None:
        sold = lease(machine, hours=2, price=12 * CREDIT, seller_fee_bps=100)
        Lease.objects.filter(pk=sold.pk).update(used_micros=18 * CREDIT, paid_micros=12 * CREDIT)
        owner = client_of(Principal(user=machine.provider.namespace.user))
        page = owner.get("/market/provider").content.decode()
        # An hour is paid, less the fee of 1 % on both; half an hour is metered and not paid yet.
        assert 'id="earned"><data value="11.76" title="11.76 credits">11.76 credits</data>' in page
        assert f'<div class="figure">{money(6_000_000)}</div>' in page
        assert f"/market/leases/{sold.pk}" in page
        Lease.objects.filter(pk=sold.pk).update(used_micros=0, paid_micros=0)

    def test_posts_a_bond_and_allows_processes(self, machine: Node) -> None:
        owner = client_of(Principal(user=machine.provider.namespace.user))
        owner.post("/market/provider", {"act": "bond", "amount": "50", "key": "b1"})
        owner.post("/market/provider", {"act": "bond", "amount": "50", "key": "b1"})
        assert (
            f'<div class="figure">{money(50_000_000)}</div>' in owner.get("/market/provider").content.decode()
        )
        owner.post("/market/provider/processes", {"allowed": "yes"})
        machine.provider.refresh_from_db()
        assert machine.provider.allows_processes
        owner.post("/market/provider/processes", {"allowed": "no"})
        machine.provider.refresh_from_db()
        assert not machine.provider.allows_processes

    def test_of_a_foreign_namespace_is_ones_own(self, machine: Node) -> None:
        stranger = client_of(rich())
        name = machine.provider.namespace.name
        assert machine.name not in stranger.get(f"/market/provider?as={name}").content.decode()
        stranger.post("/market/provider/processes", {"allowed": "yes", "as": name})
        machine.provider.refresh_from_db()
        assert not machine.provider.allows_processes


class TestMoney:
    def test_comes_in_through_an_operator_only(self) -> None:
        staff, other = operator(), rich(10)
        assert other.user is not None
        assert staff.user is not None
        own, theirs = staff.user.namespace.name, other.user.namespace.name
        client_of(other).post(
            "/market/portfolio", {"account": theirs, "way": "deposit", "amount": "100", "key": "k1"}
        )
        assert "10.00" in client_of(other).get("/market/portfolio").content.decode()
        answer = client_of(staff).post(
            "/market/portfolio", {"account": own, "way": "deposit", "amount": "100", "key": "k2"}
        )
        assert answer.status_code == 302
        assert "100.00" in client_of(staff).get("/market/portfolio").content.decode()
        gift = {"account": theirs, "way": "deposit", "amount": "5", "key": "k5"}
        assert client_of(staff).post("/market/portfolio", gift).status_code == 302
        assert "15.00" in client_of(other).get("/market/portfolio").content.decode()
        lost = client_of(staff).post("/market/portfolio", {**gift, "account": "nobody-here"})
        assert lost.status_code == 422
        out = {"account": own, "way": "withdrawal", "amount": "30", "key": "k3"}
        assert client_of(staff).post("/market/portfolio", out).status_code == 302
        assert "70.00" in client_of(staff).get("/market/portfolio").content.decode()
        too_much = client_of(staff).post("/market/portfolio", {**out, "amount": "71", "key": "k4"})
        assert "The account has 70.00 credits available" in too_much.content.decode()
        lines = client_of(staff).get("/market/portfolio/statement.csv")
        assert b"100000000" in b"".join(lines.streaming_content)  # type: ignore[attr-defined]


class TestStatus:
    def test_is_for_staff(self) -> None:
        assert client_of(operator()).get("/status").status_code == 200
        assert client_of(rich()).get("/status").status_code == 403
        assert Client().get("/status")["Location"].startswith("/login")


class TestCharts:
    def test_stairs_rise_from_the_best_price_outwards(self) -> None:
        drawn = charts.depth([(10, 2), (9, 3)], [(11, 1), (12, 4)])
        assert drawn is not None
        assert drawn.most_gpus == 5
        assert drawn.bids_area.endswith("Z")

    def test_candles_hold_open_high_low_and_close(self) -> None:
        begin = database_now().replace(minute=0, second=0, microsecond=0)
        trades = [(begin + timedelta(minutes=n), price, 1) for n, price in enumerate([10, 14, 8, 12])]
        [candle] = charts.candles(trades, period=timedelta(hours=1))
        assert (candle.open, candle.high, candle.low, candle.close, candle.gpus) == (10, 14, 8, 12, 4)

    def test_no_trades_give_no_drawing(self) -> None:
        assert charts.depth([], []) is None
        assert charts.candles([], period=timedelta(hours=1)) == []
        assert charts.sparkline([1]) == ""
