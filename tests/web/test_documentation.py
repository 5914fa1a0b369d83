"""The site of the documentation in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, expect

from tests import documentation


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = documentation.build(tmp_path_factory)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("start", "asked", "found"),
    [("index.html", "cancel-after", "The market"), ("zh/index.html", "令牌上限", "算力市场")],
    ids=["english", "chinese"],
)
def test_search_finds_pages(browser: Browser, address: str, start: str, asked: str, found: str) -> None:
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"{address}/{start}")
        page.locator("input.md-search__input").first.fill(asked)
        expect(page.locator(".md-search-result__item h1").filter(has_text=found).first).to_be_attached()
    finally:
        context.close()
