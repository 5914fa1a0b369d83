"""A real browser on a live bazaar. It may talk to that bazaar and to nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.servers import ports
from tests.servers.live import LiveBazaar

ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
PATIENCE_MS = 20_000
DESK, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 800}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a file's tests.

    Not for the whole run: Playwright keeps an event loop running in the thread of the tests, and Django
    would refuse the database to whatever test comes next in the same process.
    """
    chromium = ports.require_tool("chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Visitor:
    """One browser window: where it went, and what it complained about."""

    page: Page
    url: str
    scripts: bool = True
    # The object store to which pages may send files, where there is one.
    store: str = ""
    complaints: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        self.page.goto(self.url + path)
        if self.scripts:
            # A page with a stream is never idle; what htmx loads by itself is what there is to wait for.
            self.page.wait_for_selector(".htmx-request", state="detached")
        return self.page

    def press(self, selector: str) -> Page:
        """Press a button that leads to another page."""
        with self.page.expect_navigation():
            self.page.click(selector)
        return self.page

    def sign_up(self, name: str, password: str = "correct horse battery") -> None:  # noqa: S107
        self.go("/join")
        self.page.fill("[name=name]", name)
        self.page.fill("[name=email]", f"{name}@example.org")
        self.page.fill("[name=password]", password)
        self.press("main button.primary")

    def sign_in(self, name: str, password: str) -> None:
        self.go("/login")
        self.page.fill("[name=name]", name)
        self.page.fill("[name=password]", password)
        self.press("main button.primary")

    def make_repository(self, name: str, **fields: str) -> None:
        """A new model, by the page for it; the window is at the repository then."""
        self.go("/new")
        for control, value in {"name": name, **fields}.items():
            self.page.fill(f"[name={control}]", value)
        self.press("main button.primary")

    def keep(self, name: str) -> None:
        """A screenshot for people to look at."""
        ARTIFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)


Visit = Callable[..., Visitor]


@pytest.fixture
def visit(browser: Browser, live_sqlite: LiveBazaar) -> Iterator[Visit]:
    """Open a window: `visit(language="zh-CN", scripts=False, theme="dark", viewport=PHONE)`.

    `site` is another bazaar than the shared one. When the test ends, no window has asked another host for
    anything, nor broken its page's policy.
    """
    visitors: list[Visitor] = []
    with ExitStack() as stack:

        def open_window(
            *,
            language: str = "en",
            scripts: bool = True,
            theme: str = "light",
            viewport: Any = None,
            site: LiveBazaar | None = None,
            store: str = "",
        ) -> Visitor:
            context = browser.new_context(
                locale=language,
                java_script_enabled=scripts,
                color_scheme="dark" if theme == "dark" else "light",
                viewport=viewport or DESK,
            )
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            visitor = Visitor(page, (site or live_sqlite).url, scripts=scripts, store=store)
            visitors.append(visitor)
            page.on("request", lambda request: _note_host(visitor, request.url))
            page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
            page.on(
                "console",
                lambda message: (
                    visitor.complaints.append(message.text)
                    if message.type == "error" and "Content Security Policy" in message.text
                    else None
                ),
            )
            return visitor

        yield open_window
    for visitor in visitors:
        assert visitor.strangers == []
        assert visitor.complaints == []


def _note_host(visitor: Visitor, address: str) -> None:
    parts = urlsplit(address)
    known = {urlsplit(visitor.url).netloc, urlsplit(visitor.store).netloc}
    if parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc not in known:
        visitor.strangers.append(address)
