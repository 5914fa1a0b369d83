"""The speed of the market: all its goals in one table (takes some minutes).

`script/bench market` starts what it needs: PostgreSQL with each commit flushed to the disk, and without, and
SQLite; and the whole stack (`market_http.py`). `--here` runs the measurements that need no server, in this
process and on the database of DATABASE_URL, and does not delete its rows.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import random
import subprocess
import sys
import time
import tracemalloc
from datetime import timedelta
from pathlib import Path
from typing import Self

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.test")
os.environ.setdefault("BAZAAR_LOG_LEVEL", "ERROR")  # without Redis no event is published, and that is logged

import django

django.setup()

from django.core.management import call_command
from django.db import connection

from bazaar.celery import app
from compute_market.matching import engine
from compute_market.matching.clearing import drain, shard_engines, worker
from compute_market.matching.engine import commands as words
from compute_market.matching.intake import services
from compute_market.matching.models import Trade
from foundation.clock import database_now
from foundation.garbage_collection import collector_paused, freeze_loaded
from script.benchmarks import market_http
from script.benchmarks.market_http import CLIENTS, SUBSCRIBERS, TRADES_A_SECOND, percentiles
from tests.factories import exchange
from tests.factories.market import namespace_of, trader
from tests.servers import postgres

Figures = dict[str, str]


class Meter:
    """Seconds by the clock, and of processor time here and in our PostgreSQL backend."""

    def __enter__(self) -> Self:
        self.began, self.here, self.there = time.perf_counter(), time.process_time(), _backend_seconds()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self.began
        self.processor = time.process_time() - self.here
        self.backend = _backend_seconds() - self.there

    def figure(self, count: int, unit: str) -> str:
        """A rate by the clock, and what it would be if both processors were ours alone."""
        busy = self.processor + self.backend
        return (
            f"{count / self.seconds:,.0f} {unit}/s ({count / busy:,.0f}/s of work:"
            f" {self.processor / count * 1e6:.0f} + {self.backend / count * 1e6:.0f} µs)"
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


def measure_control() -> str:
    """A million additions: what this machine has left for us."""
    began, total = time.process_time(), 0
    for number in range(1_000_000):
        total += number
    return f"{(time.process_time() - began) * 1000:.0f} ms"


def measure_engine() -> Figures:
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
    count = 100_000
    orders: list[words.Command] = [words.Configure(1, 1, 1, 60, 60, 10**9, 0, 0)]
    orders += [
        words.New(
            n, 10**6 + n, n % 500, 1, -1, 60 * (10**5 + n % 5000), 8, n % 50 * 60, n % 50 * 60 + 1440, n % 99,
            0, 0, 0, 0,
        )
        for n in range(2, count + 2)
    ]  # fmt: skip
    tracemalloc.start()
    matcher = engine.Engine()
    matcher.apply(orders)
    shard_engine = shard_engines.ShardEngine(0, matcher)
    matcher.apply([])
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del shard_engine
    return {"engine": f"{best:,.0f} operations/s", "memory": f"{size / count:,.0f} bytes"}


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


def measure_bulk_and_drain(size: int, *, profile: bool) -> Figures:
    """Acceptance in bulks of 1,000; then drains: of resting orders, and of trades."""
    floor = Floor(shard=1)
    figures: Figures = {}
    with Meter() as meter:
        for n in range(size // 1000):
            owner = floor.providers[n % 5]
            wanted = floor.requests(-1, 1000, 9.0, n % 5)
            services.place_orders(actor=owner, orders=exchange.for_account(owner, wanted), now=floor.now)
    figures["bulk_sells"] = meter.figure(size, "orders")
    with Meter() as meter:
        drained = worker.drain_shard(shard=1, now=floor.now)
    figures["drain_rest"] = meter.figure(drained, "commands")
    with Meter() as meter:
        for n in range(size // 1000):
            buyer = floor.buyers[n % 20]
            wanted = floor.requests(1, 1000, 12.0)
            services.place_orders(actor=buyer, orders=exchange.for_account(buyer, wanted), now=floor.now)
    figures["bulk_buys"] = meter.figure(size, "orders")
    before = Trade.objects.count()
    profiler = cProfile.Profile()
    with Meter() as meter:
        if profile:
            profiler.enable()
        worker.drain_shard(shard=1, now=floor.now)
        profiler.disable()
    if profile:
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(32)
    figures["drain_trades"] = meter.figure(Trade.objects.count() - before, "trades")
    return figures


def measure_single(count: int) -> Figures:
    """Orders one by one through the use case, and the time from acceptance to trade."""
    floor = Floor(shard=2)
    owner, buyer = floor.providers[0], floor.buyers[0]
    services.place_orders(
        actor=owner, now=floor.now, orders=exchange.for_account(owner, floor.requests(-1, count, 9.0))
    )
    worker.drain_shard(shard=2, now=floor.now)
    accepts, waits = [], []
    for wanted in floor.requests(1, count, 12.0):
        began = time.perf_counter()
        services.place_order(actor=buyer, namespace_id=namespace_of(buyer), request=wanted, now=floor.now)
        accepted = time.perf_counter()
        worker.drain_shard(shard=2, now=floor.now)
        accepts.append(accepted - began)
        waits.append(time.perf_counter() - accepted)
    return {"one_accepted": percentiles(accepts), "one_drained": percentiles(waits)}


def measure_here(size: int, *, profile: bool) -> Figures:
    """The measurements that need a database and no server."""
    app.conf.broker_url = "memory://"  # sending tasks is not measured
    call_command("migrate", verbosity=0)
    freeze_loaded()  # as the server's processes do: otherwise a full collection falls into any of the figures
    figures = measure_bulk_and_drain(size, profile=profile) | measure_single(200)
    assert drain.has_work(1) is False
    return figures


def measure_beside(database_url: str, size: int) -> Figures:
    """The same in a process of its own."""
    env = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    if database_url:
        env["DATABASE_URL"] = database_url
    argv = [sys.executable, __file__, "--here", "--json", str(size)]
    done = subprocess.run(argv, env=env, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


# The measurements and their goals, by the names of the figures; the first is the control of all others.
TABLE = (
    ("control", "control: a million additions in Python", ""),
    ("engine", "engine alone: 40 % cancels, one new order in five crosses", "500,000/s"),
    ("memory", "memory of a resting order, with its share of the depth", "1 KB"),
    ("drain_rest", "drain in batches of 1,000: orders that come to rest", "10,000/s"),
    ("drain_trades", "the same: trades with money, leases and news", "5,000/s"),
    ("bulk_sells", "acceptance in bulks of 1,000: sells", "2,000/s"),
    ("bulk_buys", "the same: buys", "2,000/s"),
    ("http_bulk", "the same through the whole stack", "2,000/s"),
    ("one_accepted", "one order through the use case", ""),
    ("one_drained", "one order from its acceptance to its trade, no queue between", ""),
    ("empty", "control: an empty view of the stack, four clients", ""),
    *(
        row
        for clients in CLIENTS
        for row in (
            (f"single_{clients}", f"orders one by one through the whole stack, {clients} clients", "250/s"),
            (f"single_{clients}_work", "", ""),
        )
    ),
    ("trade", f"from sending to knowing of the trade, at {TRADES_A_SECOND} orders/s", "60, 300 ms"),
    ("trade_work", "", ""),
    ("book", "snapshot of a book through HTTP", "10 ms"),
    ("book_size", "", ""),
    ("streams", f"from sending an order until {SUBSCRIBERS} streams of one process have read of it", ""),
)


def show(columns: dict[str, Figures]) -> None:
    """The table: a line for what is measured, and one for each way in which it was."""
    for key, what, goal in TABLE:
        if what and any(key in column for column in columns.values()):
            print(f"\n{what}" + (f"  [goal: {goal}]" if goal else ""))
        for name, column in columns.items():
            if key in column:
                print(f"    {name:<24} {column[key]}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("orders", type=int, nargs="?", default=10_000)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each run over HTTP")
    parser.add_argument("--here", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--profile", action="store_true", help="with --here: where a drain's time goes")
    chosen = parser.parse_args()
    if chosen.here:
        figures = measure_here(chosen.orders, profile=chosen.profile)
        print(json.dumps(figures)) if chosen.json else show({connection.vendor: figures})
        return
    began = time.monotonic()
    columns: dict[str, Figures] = {"alone": {"control": measure_control(), **measure_engine()}}
    flushed, unflushed = "PostgreSQL, flushed", "PostgreSQL, not flushed"
    try:
        for name, is_durable in ((flushed, True), (unflushed, False)):
            with postgres.running(is_durable=is_durable) as url:
                columns[name] = measure_beside(url, chosen.orders)
            columns[name] |= market_http.measure(chosen.seconds, is_durable=is_durable, is_whole=is_durable)
        columns["SQLite"] = measure_beside("", chosen.orders)
    finally:
        show(columns)
    print(f"\n{os.getloadavg()[0]:.1f} load at the end, {time.monotonic() - began:.0f} seconds in all")


if __name__ == "__main__":
    main()
