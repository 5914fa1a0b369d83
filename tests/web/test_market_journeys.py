"""A buyer's and a provider's way through the market."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.servers.live import LiveBazaar
from tests.web.conftest import Visit


@pytest.mark.parametrize(("language", "scripts"), [("en", True), ("zh-CN", False)])
class TestBuying:
    def test_quote_order_lease_and_sell_back(
        self, visit: Visit, live_sqlite: LiveBazaar, language: str, scripts: bool
    ) -> None:
        provider, buyer = live_sqlite.user(), live_sqlite.user()
        slug = live_sqlite.remote.call("tests.web.scenery:stock", provider.name)
        live_sqlite.remote.call("tests.web.scenery:fund", buyer.name, 10_000)
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
        assert "288.28" in page.inner_text("#ticket") or page.locator("#ticket .facts").count() == 1
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


class TestProviding:
    def test_registers_and_gets_a_key_for_a_machine(self, visit: Visit, live_sqlite: LiveBazaar) -> None:
        owner = live_sqlite.user()
        live_sqlite.remote.call("tests.web.scenery:stock", live_sqlite.user().name)
        visitor = visit()
        visitor.sign_in(owner.name, owner.password)
        visitor.go("/market/provider")
        visitor.press("main form button.primary")
        visitor.page.fill("[name=name]", "rack-1")
        visitor.press("button[value=enrol]")
        assert visitor.page.locator(".secret code").inner_text()
        visitor.keep("provider")
