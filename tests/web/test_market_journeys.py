"""A buyer's and a provider's way through the market."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.servers.agent import agent_file
from tests.servers.live import LiveBazaar
from tests.waiting import until
from tests.web.conftest import DESK, PHONE, Visit


@pytest.mark.parametrize(("language", "scripts"), [("en", True), ("zh-CN", False)])
class TestBuying:
    def test_deposit_quote_order_lease_and_sell_back(
        self, visit: Visit, live_sqlite: LiveBazaar, language: str, scripts: bool
    ) -> None:
        provider, buyer = live_sqlite.user(), live_sqlite.user()
        slug = live_sqlite.remote.call("tests.web.scenery:stock", provider.name)
        operator = live_sqlite.user()
        live_sqlite.remote.call("tests.web.scenery:appoint", operator.name)
        visitor = visit(language=language, scripts=scripts)
        visitor.sign_in(operator.name, operator.password)
        visitor.go("/market/portfolio")
        visitor.page.fill("[name=account]", buyer.name)
        visitor.page.fill("[name=amount]", "10000")
        visitor.press("main form button.primary")

        visitor = visit(language=language, scripts=scripts)
        page = visitor.page
        visitor.sign_in(buyer.name, buyer.password)
        visitor.go("/market/portfolio")
        assert "10,000.00" in page.inner_text("main")

        visitor.go("/market/quote?gpus=2&hours=24&days=3&gpu=h100")
        visitor.keep(f"quote-{language}")
        visitor.press("#quotes a.btn >> nth=0")
        expect(page).to_have_url(re.compile(re.escape(slug)))
        visitor.press("button[value=review]")
        # Two GPUs for 24 hours at 12 credits are 576, and the fee of 10 basis points comes to it.
        expect(page.locator("#ticket .facts dd b data")).to_have_attribute("value", "576.576")
        visitor.keep(f"ticket-{language}")
        visitor.press("button[value=place]")
        expect(page).to_have_url(re.compile(r"/market/orders/\d+"))
        live_sqlite.remote.call("tests.web.scenery:clear")
        page.reload()
        expect(page.locator("#state .badge.good")).to_be_visible()

        visitor.go("/market/leases")
        visitor.press("td a >> nth=0")
        visitor.keep(f"lease-{language}")
        page.fill("[name=price]", "13.02")
        visitor.press("button[value=sell]")
        assert page.locator(".notice.success").count() == 1
        visitor.go("/market/orders")
        assert page.locator("#rows tbody tr").count() == 1


class TestANewcomer:
    @pytest.mark.parametrize(
        ("language", "scripts", "viewport"), [("en", True, DESK), ("zh-CN", False, PHONE)]
    )
    def test_rents_a_gpu_within_five_clicks_of_the_front_page(
        self,
        visit: Visit,
        live_sqlite: LiveBazaar,
        language: str,
        scripts: bool,
        viewport: dict[str, int],
    ) -> None:
        newcomer = live_sqlite.user()
        live_sqlite.remote.call("tests.web.scenery:stock", live_sqlite.user().name)
        live_sqlite.remote.call("tests.web.scenery:fund", newcomer.name, 10_000)
        visitor = visit(language=language, scripts=scripts, viewport=viewport)
        visitor.sign_in(newcomer.name, newcomer.password)
        page = visitor.go("/")
        visitor.press(".mast nav a[href='/market']")
        # The column that matters needs no scrolling, on a phone either.
        box = page.locator("#rows a[href*='sort=ask']").bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= viewport["width"]
        visitor.keep(f"market-{language}")
        visitor.press("#tiles a >> nth=0")
        visitor.keep(f"product-{language}")
        visitor.press("button[value=now]")
        visitor.keep(f"buy-now-{language}")
        visitor.press("button[value=place]")
        expect(page).to_have_url(re.compile(r"/market/orders/\d+"))
        live_sqlite.remote.call("tests.web.scenery:clear")
        page.reload()
        expect(page.locator("#state .badge.good")).to_be_visible()


class TestTheLiveBook:
    def test_follows_the_market_without_loading_the_page_again(
        self, visit: Visit, live_sqlite: LiveBazaar
    ) -> None:
        seller = live_sqlite.user().name
        slug = live_sqlite.remote.call("tests.web.scenery:stock", seller)
        page = visit().go(f"/market/products/{slug}?hours=1")
        page.evaluate("document.body.dataset.loaded = 'once'")
        asked: list[str] = []
        page.on("response", lambda response: asked.append(response.url))
        buyer = live_sqlite.user().name
        live_sqlite.remote.call("tests.web.scenery:fund", buyer, 10_000)
        live_sqlite.remote.call("tests.web.scenery:bid", buyer, slug, "7.02")
        expect(page.locator("#book-rows")).to_contain_text("7.02")
        live_sqlite.remote.call("tests.web.scenery:bid", buyer, slug, "12.00")
        expect(page.locator("#trades tbody tr").first).to_contain_text("12.00")
        expect(page.locator("#figures")).to_contain_text("7.02")
        assert page.evaluate("document.body.dataset.loaded") == "once"
        assert {url.split("?")[0].rpartition("/")[2] for url in asked} == {"news"}


# The second is the cheaper one, so that what is left of the first one's offer does not come before it.
@pytest.mark.parametrize(
    ("language", "scripts", "price", "earned"),
    [("en", True, "11.40", "22.7886"), ("zh-CN", False, "10.80", "21.5892")],
)
class TestProviding:
    def test_enrols_a_machine_offers_it_and_earns(
        self,
        visit: Visit,
        live_sqlite: LiveBazaar,
        tmp_path: Path,
        language: str,
        scripts: bool,
        price: str,
        earned: str,
    ) -> None:
        owner, buyer = live_sqlite.user(), live_sqlite.user()
        live_sqlite.remote.call("tests.web.scenery:listed")
        live_sqlite.remote.call("tests.web.scenery:fund", buyer.name, 1_000)
        live_sqlite.remote.call("tests.web.scenery:fund", owner.name, 200)
        visitor = visit(language=language, scripts=scripts)
        page = visitor.page
        visitor.sign_in(owner.name, owner.password)
        visitor.go("/market/provider")
        visitor.press("main form button.primary")

        # The key that the page shows starts the agent, and the machine is there.
        page.select_option("[name=product]", "h100-sxm-80g.cn-east.reserved.ib")
        page.fill("[name=name]", "rack-1")
        page.fill("#enrol_gpus", "2")
        visitor.press("button[value=enrol]")
        key = page.inner_text(".secret code")
        visitor.keep(f"provider-key-{language}")
        with running_agent(live_sqlite, key, tmp_path):
            # Enrolled at first. The machine declares its GPUs, so they are tradable only with a bond.
            until(
                lambda: visitor.go("/market/provider").locator(".notice.warning").count(),
                what=(tmp_path / "log").read_text,
            )
            assert "rack-1" in page.inner_text("#nodes")
            assert page.locator("#nodes .badge.good").count() == 0
            page.fill("#bond_amount", "200")
            visitor.press("button[value=bond]")
            assert page.locator(".notice.warning").count() == 0
            # Its heartbeat may still be on the way.
            until(
                lambda: visitor.go("/market/provider").locator("#nodes .badge.good").count(),
                what=(tmp_path / "log").read_text,
            )
            page.fill("#offer_gpus", "2")
            page.fill("#offer_price", price)
            visitor.press("button[value=offer]")
            assert page.locator(".notice.success").count() == 1
            live_sqlite.remote.call("tests.web.scenery:bid", buyer.name, slug_of(page), price)

            # The hour of the lease goes by; the buyer's money is the provider's now, less the fee.
            live_sqlite.remote.call("tests.web.scenery:live_through", owner.name)
            visitor.go("/market/provider")
            # Two GPUs for an hour, less 5 basis points.
            expect(page.locator("#earned data")).to_have_attribute("value", earned)
            visitor.keep(f"provider-{language}")
            page.click("#supplied td a")
            assert "60" in page.inner_text("main")
        visitor.go("/market/portfolio")
        assert page.locator(f"main data[value='{earned}']").count() > 0


def slug_of(page: Page) -> str:
    return str(page.get_attribute("#nodes td:nth-child(2) a", "href")).rpartition("/")[2]


@contextmanager
def running_agent(bazaar: LiveBazaar, key: str, folder: Path) -> Iterator[None]:
    """The agent as a provider starts it, on a machine whose devices no tool can measure."""
    words = [*("--hub", bazaar.url, "--key", key, "--folder", str(folder / "agent")), "--poll-seconds", "0.5"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                str(agent_file()),
                *words,
                "--declare",
                "h100-sxm-80g",
                "--gpus",
                "2",
            ],
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
            stderr=log,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)
