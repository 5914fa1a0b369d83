"""Every main page is usable by everybody: axe finds no serious fault, and nothing runs off a phone."""

from __future__ import annotations

import pytest
from axe_core_python.sync_playwright import Axe

from tests.servers.live import LiveBazaar, LiveUser
from tests.web.conftest import DESK, PHONE, Visit, Visitor

CARD = (
    "---\nlicense: mit\npipeline_tag: text-generation\nlanguage: [zh, en]\n---\n# A model\n\n"
    "Some `code`, a [link](x.md), math $x^2$.\n\n| a | b |\n|--|--|\n| 1 | 2 |\n\n"
    "```python\ndef f(): return 1\n```\n"
)
FILES = {
    "a.py": "def f() -> int:\n    return 1\n",
    "a.csv": "name,score\nx,1\n",
    "a.ipynb": '{"cells": [{"cell_type": "code", "source": "print(1)", "outputs": [{"text": "1"}]}]}',
}
_ready: dict[str, tuple[LiveUser, str]] = {}


@pytest.fixture
def shown(live_sqlite: LiveBazaar) -> tuple[LiveUser, str]:
    """A person with a repository, and a product of the market; made once."""
    if live_sqlite.url not in _ready:
        user = live_sqlite.user()
        slug = live_sqlite.remote.call("tests.web.scenery:stock", user.name)
        live_sqlite.remote.call("tests.web.scenery:publish", user.name, "model", CARD, FILES)
        live_sqlite.remote.call("tests.web.scenery:talk", user.name, "model")
        live_sqlite.remote.call("tests.web.scenery:promote", user.name)
        _ready[live_sqlite.url] = (user, slug)
    return _ready[live_sqlite.url]


def pages(user: LiveUser, slug: str) -> list[str]:
    repository = f"/{user.name}/model"
    return [
        "/",
        "/models",
        repository,
        f"{repository}/tree/main",
        f"{repository}/blob/main/README.md",
        f"{repository}/commits/main",
        f"{repository}/blob/main/a.py",
        f"{repository}/blob/main/a.csv",
        f"{repository}/blob/main/a.ipynb",
        f"{repository}/edit/main/README.md",
        f"{repository}/upload/main",
        f"{repository}/discussions",
        f"{repository}/discussions/new",
        f"{repository}/discussions/1",
        f"{repository}/discussions/2",
        f"{repository}/settings",
        f"{repository}/settings/webhooks",
        f"{repository}/collect",
        f"/{user.name}",
        "/new",
        "/settings/profile",
        "/settings/tokens",
        f"/{user.name}?tab=collections",
        "/settings/organizations",
        "/organizations/new",
        "/collections/new",
        "/notifications",
        "/status",
        "/market",
        f"/market/products/{slug}",
        "/market/quote?gpus=1&hours=24&days=2",
        "/market/orders",
        "/market/portfolio",
        "/market/provider",
        "/nowhere/at-all",
    ]


def faults(visitor: Visitor, *rules: str) -> list[str]:
    """The serious faults that axe finds; only of the named rules, if any are named."""
    found = Axe().run(visitor.page, options={"runOnly": list(rules)} if rules else None)
    return [
        f"{visitor.page.url} {fault['id']}: {node['html'][:160]}"
        for fault in found["violations"]
        if fault["impact"] in {"serious", "critical"}
        for node in fault["nodes"][:3]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
class TestMainPages:
    def test_have_no_serious_fault(self, visit: Visit, shown: tuple[LiveUser, str], theme: str) -> None:
        user, slug = shown
        visitor = visit(theme=theme, viewport=DESK)
        visitor.sign_in(user.name, user.password)
        found = []
        for number, path in enumerate(pages(user, slug)):
            visitor.go(path)
            visitor.keep(f"page-{number:02}-{theme}-desk")
            # The themes differ only in colours.
            found += faults(visitor, *(["color-contrast"] if theme == "dark" else []))
        assert found == []

    def test_fit_a_phone(self, visit: Visit, shown: tuple[LiveUser, str], theme: str) -> None:
        user, slug = shown
        visitor = visit(theme=theme, viewport=PHONE)
        visitor.sign_in(user.name, user.password)
        wide = []
        for number, path in enumerate(pages(user, slug)):
            visitor.go(path)
            visitor.keep(f"page-{number:02}-{theme}-phone")
            width = visitor.page.evaluate("document.documentElement.scrollWidth")
            if width > PHONE["width"]:
                wide.append((path, width))
        assert wide == []


class TestSigningUpAndIn:
    def test_have_no_serious_fault(self, visit: Visit) -> None:
        visitor = visit(theme="dark")
        found = []
        for path in ("/login", "/join"):
            visitor.go(path)
            found += faults(visitor)
        assert found == []


class TestKeyboard:
    def test_reaches_the_content_the_menus_and_the_search(
        self, visit: Visit, shown: tuple[LiveUser, str]
    ) -> None:
        user, _slug = shown
        visitor = visit()
        visitor.sign_in(user.name, user.password)
        page = visitor.go("/")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.name") == "search"
        page.focus("details.menu >> nth=-1 >> summary")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.getAttribute('href')") == f"/{user.name}"
        page.keyboard.press("Escape")
        assert page.locator("details.menu[open]").count() == 0
