"""The engine against a naive market, against itself in other batches, and against its mirror image."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_market.matching.engine import Engine, dump, restore, state_hash
from compute_market.matching.engine import commands as c
from compute_market.matching.engine import events as e

from .books import HOUR, MINUTE_MS, TICK, NaiveMarket, plainly

BATCHES = (1, 7, 100, 5000)


@st.composite
def logs(draw: st.DrawFn, products: int = 1) -> list[c.Command]:
    """A command log of a few accounts that crowd a few prices and windows."""
    log: list[c.Command] = [c.Configure(p, p, 1, TICK, TICK, 99 * TICK, 0, 0) for p in range(1, products + 1)]
    orders: list[int] = []
    for _ in range(draw(st.integers(1, 40))):
        sequence = len(log) + 1
        kind = draw(st.sampled_from("nnnnnnnnaaccxsr")) if orders else "n"
        if kind == "n":
            start = draw(st.integers(0, 3))
            side = draw(st.sampled_from((1, -1)))
            orders.append(sequence)
            log.append(
                c.New(
                    sequence,
                    sequence,
                    account=draw(st.integers(1, 4)),
                    product=draw(st.integers(1, products)),
                    side=side,
                    price=draw(st.integers(5, 8)) * TICK,
                    gpus=draw(st.integers(1, 6)),
                    start=start * HOUR,
                    end=(start + draw(st.integers(1, 3))) * HOUR,
                    node=0 if side > 0 else draw(st.integers(1, 3)),
                    time_in_force=draw(st.sampled_from((0, 0, 0, 0, 2, 3))),
                    post_only=int(draw(st.integers(0, 7)) == 0),
                    self_trade=draw(st.integers(0, 2)),
                    minute=0,
                )
            )
        elif kind == "a":
            price, gpus = draw(st.integers(5, 8)) * TICK, draw(st.integers(1, 6))
            log.append(
                c.Amend(
                    sequence,
                    draw(st.sampled_from(orders)),
                    price,
                    gpus,
                    draw(st.sampled_from((0, 0, 1, 2))),
                    0,
                )
            )
        elif kind == "c":
            ending: Any = draw(st.sampled_from((c.Cancel, c.Expire)))
            log.append(ending(sequence, draw(st.sampled_from(orders))))
        elif kind == "x":
            log.append(c.CancelAll(sequence, draw(st.integers(1, 4)), draw(st.integers(0, products))))
        elif kind == "s":
            log.append(c.Suspend(sequence, draw(st.integers(1, 3))))
        else:
            log.append(c.Resume(sequence, draw(st.integers(1, 3)), 0))
    return log


def replayed(log: list[c.Command], batch: int) -> tuple[list[e.Event], Engine]:
    """Play a log in batches, through a snapshot after each."""
    engine = Engine()
    events: list[e.Event] = []
    for at in range(0, len(log), batch):
        events += engine.apply(log[at : at + batch])
        engine = restore(dump(engine))
    return events, engine


def busy_log(size: int, seed: int) -> list[c.Command]:
    """A long log of a lively market with three products."""
    chance = random.Random(seed)
    log: list[c.Command] = [c.Configure(p, p, 1, TICK, TICK, 10**6 * TICK, 0, 0) for p in (1, 2, 3)]
    while len(log) < size:
        sequence = len(log) + 1
        dice = chance.random()
        if sequence == 4:
            dice = 1.0
        if dice < 0.25:
            log.append(c.Cancel(sequence, chance.randrange(4, sequence)))
        elif dice < 0.35:
            order = chance.randrange(4, sequence)
            log.append(
                c.Amend(sequence, order, chance.randrange(90, 111) * TICK, chance.randrange(1, 9), 0, 0)
            )
        elif dice < 0.37:
            node = chance.randrange(1, 20)
            log.append(chance.choice((c.Suspend(sequence, node), c.Resume(sequence, node, 0))))
        else:
            side, start = chance.choice((1, -1)), chance.randrange(0, 5) * HOUR
            end = start + chance.choice((1, 2, 24)) * HOUR
            node = 0 if side > 0 else chance.randrange(1, 20)
            log.append(
                c.New(
                    sequence,
                    sequence,
                    chance.randrange(1, 30),
                    chance.randrange(1, 4),
                    side,
                    chance.randrange(90, 111) * TICK,
                    chance.randrange(1, 9),
                    start,
                    end,
                    node,
                    chance.choice((0, 0, 0, 2, 3)),
                    int(chance.random() < 0.05),
                    chance.randrange(3),
                    0,
                )
            )
    return log


def crowded_log(chance: random.Random, size: int) -> list[c.Command]:
    """Few accounts, nodes, prices and windows; buys that want one node, expiries, a clock that goes on."""
    log: list[c.Command] = [c.Configure(1, 1, 1, TICK, TICK, 99 * TICK, 0, 0)]
    minute = 0
    while len(log) < size:
        sequence = len(log) + 1
        minute += chance.choice((0, 0, 0, 0, 1, 5))
        clock = minute * MINUTE_MS
        dice = chance.random()
        if dice < 0.7 or sequence < 5:
            side = chance.choice((1, -1))
            start = -(-minute // HOUR) + chance.choice((0, 0, 0, 1))
            new = c.New(
                sequence,
                sequence,
                account=chance.randrange(1, 7),
                product=1,
                side=side,
                price=chance.randrange(5, 9) * TICK,
                gpus=chance.randrange(1, 5) if side < 0 else chance.randrange(1, 9),
                start=start * HOUR,
                end=(start + chance.choice((1, 1, 2))) * HOUR,
                node=0 if side > 0 else chance.randrange(1, 4),
                time_in_force=chance.choice((0, 0, 0, 0, 2, 3)),
                post_only=int(chance.random() < 0.05),
                self_trade=chance.randrange(3),
                minute=minute,
                one_node=chance.choice((0, c.ANY_ONE, c.ANY_ONE, c.ANY_ONE, 2)) if side > 0 else 0,
                expires=clock + chance.randrange(1, 60) * MINUTE_MS if chance.random() < 0.2 else 0,
                clock=clock,
            )
            log.append(new)
        elif dice < 0.85:
            order, price = chance.randrange(2, sequence), chance.randrange(5, 9) * TICK
            log.append(c.Amend(sequence, order, price, chance.randrange(1, 9), 0, minute, clock))
        elif dice < 0.92:
            log.append(c.Cancel(sequence, chance.randrange(2, sequence)))
        elif dice < 0.96:
            log.append(c.Suspend(sequence, chance.randrange(1, 4)))
        else:
            log.append(c.Resume(sequence, chance.randrange(1, 4), minute, clock))
    return log


def assert_one_node_and_in_time(log: list[c.Command], events: list[e.Event]) -> None:
    """No buy that wants one node has fills from two, and nothing trades after its time."""
    news = {command.order: command for command in log if isinstance(command, c.New)}
    nodes: dict[int, set[int]] = defaultdict(set)
    for event in events:
        if isinstance(event, e.Trade):
            nodes[event.buy].add(event.node)
            clock = getattr(log[event.sequence - 1], "clock", 0)
            assert all(news[n].expires == 0 or news[n].expires > clock for n in (event.buy, event.sell))
    assert all(len(used) == 1 or not news[order].one_node for order, used in nodes.items())


class TestAgainstTheNaiveMarket:
    @settings(max_examples=400, deadline=None)
    @given(logs(products=2))
    def test_everything_happens_alike(self, log: list[c.Command]) -> None:
        # The naive market knows one product; the other one is its own run.
        for product in (1, 2):
            mine = single(log, product)
            naive = NaiveMarket()
            for command in mine:
                naive.apply(command)
            engine = Engine()
            assert plainly(engine.apply(mine)) == naive.happened
            assert {number: order.open_minutes() for number, order in engine.orders.items()} == {
                number: order.left() * HOUR for number, order in naive.live.items()
            }

    @pytest.mark.parametrize("seed", range(4))
    def test_orders_of_one_node_and_expiries_happen_alike(self, seed: int) -> None:
        chance = random.Random(seed)
        kinds: dict[str, int] = defaultdict(int)
        for _ in range(100):
            log = crowded_log(chance, 80)
            naive, engine = NaiveMarket(), Engine()
            for command in log:
                naive.apply(command)
            events = engine.apply(log)
            assert plainly(events) == naive.happened
            assert {number: order.open_minutes() for number, order in engine.orders.items()} == {
                number: order.left() * HOUR for number, order in naive.live.items()
            }
            assert_one_node_and_in_time(log, events)
            again, restored = replayed(log, 7)
            assert again == events
            assert state_hash(restored) == state_hash(engine)
            for event in events:
                kinds[getattr(event, "reason", type(event).__name__)] += 1
        # The logs are crowded enough for every rule to be met.
        wanted = {"Trade", "window_begun", "not_on_one_node", "expired", "self_trade", "would_trade"}
        assert wanted <= kinds.keys()

    @settings(max_examples=200, deadline=None)
    @given(logs())
    def test_no_book_is_crossed_at_rest_and_no_gpu_is_sold_twice(self, log: list[c.Command]) -> None:
        engine = Engine()
        events = engine.apply(log)
        news = {command.order: command for command in log if isinstance(command, c.New)}
        amended: dict[int, int] = defaultdict(int)
        for event in events:
            if isinstance(event, e.Amended):
                amended[event.order] = max(amended[event.order], event.gpus)
        sold: dict[tuple[int, int], int] = defaultdict(int)
        for event in events:
            if isinstance(event, e.Trade):
                assert event.buyer != event.seller
                for hour in range(event.start // HOUR, event.end // HOUR):
                    sold[event.sell, hour] += event.gpus
        for (order, _), gpus in sold.items():
            assert gpus <= max(news[order].gpus, amended[order])
        for book in engine.books.values():
            for bid in book.bids:
                for ask in book.asks:
                    assert ask.price > bid.price or not ask.available(bid.start, bid.end)


def single(log: list[c.Command], product: int) -> list[c.Command]:
    """The commands of a log for one product, numbered afresh."""
    kept: list[c.Command] = []
    orders: set[int] = set()
    for command in log:
        match command:
            case c.New() | c.Configure() if command.product != product:
                continue
            case c.CancelAll() if command.product not in {0, product}:
                continue
            case c.New():
                orders.add(command.order)
            case c.Cancel() | c.Expire() | c.Amend() if command.order not in orders:
                continue
        kept.append(command._replace(sequence=len(kept) + 1))
    return kept


class TestReplay:
    @settings(max_examples=60, deadline=None)
    @given(logs(products=2))
    def test_gives_the_same_in_any_batches_and_through_snapshots(self, log: list[c.Command]) -> None:
        whole = Engine()
        events = whole.apply(log)
        for batch in (1, 7):
            again, engine = replayed(log, batch)
            assert again == events
            assert state_hash(engine) == state_hash(whole)

    @pytest.mark.parametrize("batch", BATCHES)
    def test_gives_the_same_for_a_long_log(self, batch: int) -> None:
        log = busy_log(2000 if batch < 100 else 12_000, seed=4)
        whole = Engine()
        events = whole.apply(log)
        if batch == 1:
            engine, again = Engine(), []
            for command in log:
                again += engine.apply([command])
        else:
            again, engine = replayed(log, batch)
        assert again == events
        assert state_hash(engine) == state_hash(whole)

    def test_is_split_by_product(self) -> None:
        log = busy_log(6000, seed=5)
        whole: dict[int, list[Any]] = defaultdict(list)
        engine = Engine()
        for event in engine.apply([cmd._replace(sequence=i) for i, cmd in enumerate(log, start=1)]):
            if isinstance(event, e.Trade):
                whole[event.product].append(event[2:])
        for product in (1, 2, 3):
            alone = [
                event[2:] for event in Engine().apply(single(log, product)) if isinstance(event, e.Trade)
            ]
            assert alone == whole[product]


class TestMirror:
    @settings(max_examples=150, deadline=None)
    @given(logs())
    def test_sides_are_treated_alike(self, log: list[c.Command]) -> None:
        """With one window for all, buying at p and selling at 13 - p are the same game."""
        plain: list[c.Command] = []
        mirrored: list[c.Command] = []
        for command in log:
            if isinstance(command, c.New):
                level = command._replace(start=0, end=HOUR, node=0)
                plain.append(level)
                mirrored.append(level._replace(side=-level.side, price=13 * TICK - level.price))
            elif isinstance(command, c.Amend):
                plain.append(command)
                mirrored.append(command._replace(price=13 * TICK - command.price))
            elif isinstance(command, c.Configure | c.Cancel | c.CancelAll | c.Expire):
                plain.append(command)
                mirrored.append(command)
        numbered = [
            [cmd._replace(sequence=i) for i, cmd in enumerate(it, start=1)] for it in (plain, mirrored)
        ]
        left, right = (plainly(Engine().apply(commands)) for commands in numbered)
        assert left == [unmirrored(event) for event in right]


def unmirrored(event: tuple[Any, ...]) -> tuple[Any, ...]:
    if event[0] == "trade":
        _, buy, sell, price, *rest = event
        return ("trade", sell, buy, 13 * TICK - price, *rest)
    if event[0] == "amended":
        return (*event[:2], 13 * TICK - event[2], *event[3:])
    return event


class TestEvents:
    @pytest.mark.parametrize("seed", range(3))
    def test_are_numbered_without_gap_and_name_their_command(self, seed: int) -> None:
        engine, numbers = Engine(), []
        log = busy_log(400, seed)
        log += [c.CancelAll(len(log) + 1 + account, account, 0) for account in range(30)]
        for command in log:
            events = engine.apply([command])
            assert {event.sequence for event in events} <= {command.sequence}
            numbers += [event.number for event in events]
        assert numbers == list(range(1, len(numbers) + 1))

    @pytest.mark.parametrize("seed", range(3))
    def test_of_commands_for_many_orders_count_them(self, seed: int) -> None:
        engine = Engine()
        log = busy_log(400, seed)
        log += [c.CancelAll(len(log) + 1 + account, account, 0) for account in range(30)]
        for command in log:
            on_sale = [o for o in engine.orders.values() if o.queue and o.node == getattr(command, "node", 0)]
            off = [o for o in engine.orders.values() if not o.queue and o.node == getattr(command, "node", 0)]
            *before, last = engine.apply([command])
            if isinstance(command, c.Resume):
                assert last[2:] == (len(off),)
            elif isinstance(command, c.Suspend):
                assert (before, last[2:]) == ([], (len(on_sale),))
            elif isinstance(command, c.CancelAll):
                assert isinstance(last, e.Done)
                assert last.touched == len(before)


class TestBook:
    @pytest.mark.parametrize("seed", range(3))
    def test_keeps_nothing_of_orders_that_are_gone(self, seed: int) -> None:
        engine = Engine()
        log = busy_log(400, seed)
        log += [c.CancelAll(len(log) + 1 + account, account, 0) for account in range(30)]
        engine.apply(log)
        assert engine.orders == {}
        for book in engine.books.values():
            for side in (book.bids, book.asks):
                assert (side.keys, side.levels, side.lengths) == ([], {}, {})

    @pytest.mark.parametrize("seed", range(3))
    def test_counts_its_queues_by_their_length(self, seed: int) -> None:
        engine = Engine()
        for command in busy_log(300, seed):
            engine.apply([command])
            for book in engine.books.values():
                for side in (book.bids, book.asks):
                    windows = [window for level in side.levels.values() for window in level]
                    assert side.lengths == Counter(end - start for start, end in windows)
                    assert side.keys == sorted(side.levels)
            for order in engine.orders.values():
                assert order.queue is None or order.queue.window == order.window()
