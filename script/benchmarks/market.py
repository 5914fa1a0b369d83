"""How fast the market is: engine, acceptance, drain, and from acceptance to trade.

    script/manage shell is not needed: `DATABASE_URL=… python script/benchmarks/market.py [orders]`

On PostgreSQL, for example with `python -m tests.servers.postgres python script/benchmarks/market.py`. It
fills an empty database and leaves its rows behind.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import random
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Self

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.test")

import django

django.setup()

from django.core.management import call_command
from django.db import connection

from bazaar.celery import app
from compute_market.clock import database_now
from compute_market.matching import books, drain, engine, jobs, services
from compute_market.matching.engine import commands as words
from compute_market.matching.memory import collector_paused
from compute_market.matching.models import Order, Trade
from tests.factories import exchange
from tests.factories.market import namespace_of, trader

Report = Callable[[str, str], None]


def report(name: str, figure: str) -> None:
    print(f"{name:<58} {figure:>16}", flush=True)


class Meter:
    """Seconds by the clock, and of processor time here and in our PostgreSQL backend."""

    def __enter__(self) -> Self:
        self.began, self.here, self.there = time.perf_counter(), time.process_time(), _backend_seconds()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self.began
        self.processor = time.process_time() - self.here
        self.backend = _backend_seconds() - self.there

    def report(self, name: str, count: int, unit: str) -> None:
        """A rate by the clock, and what it would be if both processors were ours alone."""
        busy = self.processor + self.backend
        report(f"drained: {name}" if unit != "orders" else name, f"{count / self.seconds:,.0f} {unit}/s")
        report(
            f"    processor: {self.processor / count * 1e6:.0f} µs here,"
            f" {self.backend / count * 1e6:.0f} µs in the database, each",
            f"{count / busy:,.0f} {unit}/s" if busy else "",
        )


def _backend_seconds() -> float:
    if connection.vendor != "postgresql":
        return 0.0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def engine_log(size: int) -> list[words.Command]:
    """A mixed log: two fifths cancels, of the rest one in five crosses the spread."""
    chance = random.Random(1)
    log: list[words.Command] = [words.Configure(1, 1, 1, 60, 60, 10**9, 0, 0)]
    resting: list[int] = []
    while len(log) < size:
        sequence = len(log) + 1
        if chance.random() < 0.4 and resting:
            log.append(words.Cancel(sequence, resting.pop(chance.randrange(len(resting)))))
            continue
        side = chance.choice((1, -1))
        away = -side * chance.randrange(1, 50) if chance.random() > 0.2 else side * chance.randrange(10)
        start = chance.randrange(8) * 60
        log.append(
            words.New(
                sequence, sequence, chance.randrange(1, 500), 1, side, (100_000 + away) * 60,
                chance.choice((1, 2, 4, 8)), start, start + 1440, 0 if side > 0 else chance.randrange(1, 99),
                0, 0, 0, 0,
            )
        )  # fmt: skip
        resting.append(sequence)
    return log


def measure_engine() -> None:
    """Operations a second of the engine alone, and bytes a resting order."""
    log = engine_log(200_000)
    best = 0.0
    for _ in range(3):
        matcher = engine.Engine()
        began = time.process_time()
        with collector_paused():
            for at in range(0, len(log), 1000):
                matcher.apply(log[at : at + 1000])
        best = max(best, len(log) / (time.process_time() - began))
    report("engine alone, mixed commands, by processor time", f"{best:,.0f}/s")
    count = 100_000
    orders: list[words.Command] = [words.Configure(1, 1, 1, 60, 60, 10**9, 0, 0)]
    orders += [
        words.New(
            n,
            10**6 + n,
            n % 500,
            1,
            -1,
            60 * (10**5 + n % 5000),
            8,
            n % 50 * 60,
            n % 50 * 60 + 1440,
            n % 99,
            0,
            0,
            0,
            0,
        )
        for n in range(2, count + 2)
    ]
    tracemalloc.start()
    matcher = engine.Engine()
    matcher.apply(orders)
    shelf = books.Books(0, matcher)
    matcher.apply([])
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    report("memory a resting order, with the depth shown", f"{size / count:,.0f} bytes")
    del shelf


class Floor:
    """A product with providers and buyers who can afford everything."""

    def __init__(self, shard: int) -> None:
        self.now = database_now()
        self.product = exchange.product(shard=shard)
        self.providers = [trader(funds=10**6) for _ in range(5)]
        self.buyers = [trader(funds=10**8) for _ in range(20)]
        self.nodes = [exchange.node(owner, self.product, gpus=200, now=self.now) for owner in self.providers]
        self.first = (self.now + timedelta(days=2)).replace(minute=0, second=0, microsecond=0)

    def window(self, hour: int) -> dict[str, object]:
        start = self.first + timedelta(hours=hour)
        return {"start": start, "end": start + timedelta(hours=1)}

    def requests(self, side: int, count: int, price: float, node: int = 0) -> list[services.OrderRequest]:
        extra = {"node_id": self.nodes[node].pk} if side < 0 else {}
        return [
            exchange.request(self.product, side, 1, price, **self.window(n % 168), **extra)
            for n in range(count)
        ]


def measure_bulk_and_drain(size: int, *, profile: bool) -> None:
    """Acceptance in bulks of 1,000; then drains: of resting orders, and of trades."""
    floor = Floor(shard=1)
    with Meter() as meter:
        for n in range(size // 1000):
            owner = floor.providers[n % 5]
            wanted = floor.requests(-1, 1000, 9.0, n % 5)
            services.place_orders(
                actor=owner, namespace_id=namespace_of(owner), requests=wanted, now=floor.now
            )
    meter.report("accepted in bulks of 1,000: sells", size, "orders")
    with Meter() as meter:
        drained = jobs.drain_shard(shard=1, now=floor.now)
    meter.report("orders that come to rest", drained, "commands")
    with Meter() as meter:
        for n in range(size // 1000):
            buyer = floor.buyers[n % 20]
            wanted = floor.requests(1, 1000, 12.0)
            services.place_orders(
                actor=buyer, namespace_id=namespace_of(buyer), requests=wanted, now=floor.now
            )
    meter.report("accepted in bulks of 1,000: buys", size, "orders")
    before = Trade.objects.count()
    profiler = cProfile.Profile()
    with Meter() as meter:
        if profile:
            profiler.enable()
        jobs.drain_shard(shard=1, now=floor.now)
        profiler.disable()
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(32)
    trades = Trade.objects.count() - before
    meter.report(f"{trades:,} trades, durable, with money and leases", trades, "trades")


def measure_single(count: int) -> None:
    """Orders one by one through the use case, and the time from acceptance to trade."""
    floor = Floor(shard=2)
    owner, buyer = floor.providers[0], floor.buyers[0]
    services.place_orders(
        actor=owner, namespace_id=namespace_of(owner), now=floor.now, requests=floor.requests(-1, count, 9.0)
    )
    jobs.drain_shard(shard=2, now=floor.now)
    accepts, waits = [], []
    for wanted in floor.requests(1, count, 12.0):
        began = time.perf_counter()
        services.place_order(actor=buyer, namespace_id=namespace_of(buyer), request=wanted, now=floor.now)
        accepted = time.perf_counter()
        jobs.drain_shard(shard=2, now=floor.now)
        accepts.append(accepted - began)
        waits.append(time.perf_counter() - accepted)
    for name, figures in (("accepting one order", accepts), ("draining one order to its trade", waits)):
        cuts = statistics.quantiles(figures, n=100)
        report(f"{name}, p50 / p99", f"{cuts[49] * 1000:.1f} / {cuts[98] * 1000:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("orders", type=int, nargs="?", default=10_000)
    parser.add_argument("--profile", action="store_true")
    chosen = parser.parse_args()
    app.conf.broker_url = "memory://"  # the bells are not what is measured
    call_command("migrate", verbosity=0)
    report("database", connection.vendor)
    measure_engine()
    measure_bulk_and_drain(chosen.orders, profile=chosen.profile)
    measure_single(200)
    report("live orders at the end", f"{Order.objects.live().count():,}")
    assert drain.has_work(1) is False


if __name__ == "__main__":
    main()
