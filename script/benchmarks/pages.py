"""Times the pages of a large hub: on the server, and in Chromium until the largest thing is painted.

Fill a data folder first: `script/manage seed --models 100000` and `script/manage seed_market`. Then, with the
same BAZAAR_DATA_DIR: `script/bench pages --orders 100000` places what is missing of the orders and times each
page in this process; `script/bench pages --url http://127.0.0.1:8000` visits a server on that folder.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import django

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.dev")
django.setup()

from django.db import connection
from django.test import Client

from compute_market.matching.clearing import worker
from compute_market.matching.intake import services
from compute_market.matching.models import Order
from compute_market.offers.models import Product
from foundation.clock import database_now
from hub.repos.models import Repository
from tests.factories import exchange
from tests.factories.market import trader

TIMES = 15
VISITS = 5
BULK = 1_000
ORDERS_OF_ONE = 5_000
# Chromium reports larger paints as they come; the last one before so long a silence counts.
QUIET_MS = 300
LARGEST_PAINT = """(quiet) => new Promise((resolve) => {
  let last = 0, timer = setTimeout(() => resolve(last), quiet);
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) last = entry.startTime;
    clearTimeout(timer);
    timer = setTimeout(() => resolve(last), quiet);
  }).observe({ type: "largest-contentful-paint", buffered: true });
})"""
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


def addresses(product: Product | None) -> Iterator[tuple[str, str]]:
    model = Repository.objects.live().filter(kind="model", full_name="Qwen/Qwen-72B").first()
    any_model = model or Repository.objects.live().filter(kind="model").latest("pk")
    yield "home", "/"
    yield "models", "/models"
    yield "models, one tag", "/models?tag=license:mit"
    yield "models, three filters", "/models?tag=zh&tag=license:mit&size=8b"
    yield "models, search", "/models?search=qwen%2072b"
    yield "datasets", "/datasets"
    yield "search as you type", "/search?search=qwen"
    yield "repository", f"/{any_model.full_name}"
    yield "files", f"/{any_model.full_name}/tree/main"
    yield "file", f"/{any_model.full_name}/blob/main/README.md"
    yield "organization", f"/{any_model.namespace.name}"
    if product is not None:
        yield "market", "/market"
        yield "product", f"/market/products/{product.slug}"
        yield "quote", "/market/quote?gpus=2&hours=24&days=3"


def place_orders(product: Product, wanted: int) -> None:
    """Bids that come to rest: too low to trade, spread over a week's hours and a hundred prices."""
    now = database_now()
    first = (now + timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
    missing = wanted - Order.objects.live().count()
    for number in range(0, max(0, missing), BULK):
        if number % ORDERS_OF_ONE == 0:
            buyer = trader(f"bids-{uuid4().hex[:12]}", funds=10**8)
        lowest = product.reference_price_micros * 6 // 10 // product.tick_micros
        requests = []
        for n in range(BULK):
            start = first + timedelta(hours=n % 168)
            price = (lowest + n % 100) * product.tick_micros / 1_000_000
            requests.append(
                exchange.request(product, 1, 1, price, start=start, end=start + timedelta(hours=1))
            )
        services.place_orders(actor=buyer, orders=exchange.for_account(buyer, requests), now=now)
    if missing > 0:
        worker.drain_shard(shard=product.shard_id, now=now)


def time_on_the_server(product: Product | None) -> None:
    client = Client()
    print("| page | median ms | worst ms | processor ms | queries | KB |\n|---|---|---|---|---|---|")
    for name, address in addresses(product):
        headers = {"HX-Request": "true"} if address.startswith("/search") else {}
        queries = Counter[str]()

        def count(execute: Any, sql: str, *rest: Any, seen: Counter[str] = queries) -> Any:
            seen[sql] += 1
            return execute(sql, *rest)

        with connection.execute_wrapper(count):
            answer = client.get(address, headers=headers)
        if answer.status_code != 200:
            sys.exit(f"{address} gives {answer.status_code}")
        taken, worked = [], []
        for _ in range(TIMES):
            began, working = time.perf_counter(), time.process_time()
            client.get(address, headers=headers)
            worked.append((time.process_time() - working) * 1000)
            taken.append((time.perf_counter() - began) * 1000)
        times = [statistics.median(taken), max(taken), statistics.median(worked)]
        figures = [*(f"{figure:.1f}" for figure in times), queries.total(), round(len(answer.content) / 1000)]
        print(f"| {name} | {' | '.join(map(str, figures))} |", flush=True)


def time_in_a_browser(url: str, pages: list[tuple[str, str]]) -> None:
    from playwright.sync_api import sync_playwright

    print("| page | largest paint, median ms | worst ms |\n|---|---|---|")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name, address in pages:
            if address.startswith("/search"):
                continue
            paints = []
            for _ in range(VISITS):
                # A new context has an empty cache: every visit is a first one.
                context = browser.new_context(viewport={"width": 1280, "height": 860})
                page = context.new_page()
                answer = page.goto(url + address, wait_until="load")
                if answer is None or not answer.ok:
                    sys.exit(f"{address} does not answer as it should")
                paints.append(page.evaluate(LARGEST_PAINT, QUIET_MS))
                context.close()
            print(f"| {name} | {statistics.median(paints):.0f} | {max(paints):.0f} |", flush=True)
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=0, help="have so many live orders, of one product")
    parser.add_argument("--product", default="h100-sxm-80g.cn-east.reserved.ib")
    parser.add_argument("--url", default="", help="a server on the same data folder, for the browser")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    product = Product.objects.filter(slug=options.product).first()
    if product is not None and options.orders:
        place_orders(product, options.orders)
    models = Repository.objects.live().filter(kind="model").count()
    print(f"{models:,} models, {Order.objects.live().count():,} live orders, {connection.vendor}\n")
    if options.url:
        # Playwright's event loop and Django's database do not share a thread.
        pages = list(addresses(product))
        connection.close()
        time_in_a_browser(options.url.rstrip("/"), pages)
    else:
        time_on_the_server(product)


if __name__ == "__main__":
    main()
