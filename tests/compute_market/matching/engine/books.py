"""Books drawn as text, and a naive market to hold the engine against."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from compute_market.matching.engine import Engine
from compute_market.matching.engine import commands as c
from compute_market.matching.engine import events as e

HOUR = 60
TICK = 60
SIDES = {"buy": 1, "sell": -1}
FORCES = {"gtc": 0, "gtd": 1, "ioc": 2, "fok": 3}
MODES = {"newest": 0, "oldest": 1, "both": 2}
MINUTE_MS = 60_000


class Market:
    """An engine that is spoken to in hours, small prices and words."""

    def __init__(self, *, lot: int = 1, lowest: int = 1, highest: int = 10**6) -> None:
        self.engine = Engine()
        self.log: list[c.Command] = []
        self.configure(lot=lot, lowest=lowest, highest=highest)

    def send(self, kind: type[c.Command], *fields: int) -> list[e.Event]:
        """Give the engine the next command of its log."""
        command = kind(self.engine.sequence + 1, *fields)
        self.log.append(command)
        return self.engine.apply([command])

    def configure(
        self, *, product: int = 1, lot: int = 1, lowest: int = 1, highest: int = 10**6, trading: int = 0
    ) -> list[e.Event]:
        return self.send(c.Configure, product, lot, TICK, lowest * TICK, highest * TICK, trading, 0)

    def new(self, number: int, side: str, gpus: int, price: int, **options: Any) -> list[e.Event]:
        """A new order; options: hours=(0, 24), account, product, node, force, post_only, mode, minute.

        And `one_node` (-1: any one), `expires` and `clock` in minutes.
        """
        start, end = options.get("hours", (0, 24))
        return self.send(
            c.New,
            number,
            options.get("account", number),
            options.get("product", 1),
            SIDES[side],
            price * TICK,
            gpus,
            start * HOUR,
            end * HOUR,
            options.get("node", number if side == "sell" else 0),
            FORCES[options.get("force", "gtc")],
            int(options.get("post_only", False)),
            MODES[options.get("mode", "newest")],
            options.get("minute", 0),
            options.get("one_node", 0),
            options.get("expires", 0) * MINUTE_MS,
            options.get("clock", 0) * MINUTE_MS,
        )

    def amend(self, number: int, gpus: int, price: int, *, version: int = 0, clock: int = 0) -> list[e.Event]:
        return self.send(c.Amend, number, price * TICK, gpus, version, clock, clock * MINUTE_MS)

    def open(self) -> dict[int, int]:
        """GPU-hours still open, by order."""
        return {number: order.open_minutes() // HOUR for number, order in self.engine.orders.items()}


def market(drawing: str, **options: Any) -> Market:
    """A market with resting orders, one a line: `number side gpus price hours [account]`.

    The first line names the columns. Hours are written `0-24`.
    """
    result = Market(**options)
    columns, *lines = [line.split() for line in drawing.strip().splitlines()]
    for line in lines:
        row: dict[str, Any] = dict(zip(columns, line, strict=True))
        if "hours" in row:
            row["hours"] = tuple(int(hour) for hour in row["hours"].split("-"))
        whole = {"order", "gpus", "price", "account", "node", "product", "one_node", "expires"}
        row = {name: int(value) if name in whole else value for name, value in row.items()}
        result.new(row.pop("order"), row.pop("side"), row.pop("gpus"), row.pop("price"), **row)
    return result


def fills(events: list[e.Event]) -> list[tuple[int, int, int]]:
    """The trades among events, as (resting order, GPUs, price)."""
    return [
        (event.sell if event.taker_side > 0 else event.buy, event.gpus, event.price // TICK)
        for event in events
        if isinstance(event, e.Trade)
    ]


def reasons(events: list[e.Event]) -> list[tuple[int, str]]:
    """(order, reason) of each refused or cancelled order."""
    return [(event.order, event.reason) for event in events if isinstance(event, e.Rejected | e.Cancelled)]


# ---- the naive market ------------------------------------------------------------------------------


@dataclass
class Ask:
    """A sell as a table: GPUs sold in each hour."""

    command: Any
    price: int
    gpus: int
    entry: int
    sold: dict[int, int] = field(default_factory=dict)
    version: int = 1

    def free(self, hours: range) -> int:
        return min(max(0, self.gpus - self.sold.get(h, 0)) if h in self.hours else 0 for h in hours)

    @property
    def hours(self) -> range:
        return range(self.command.start // HOUR, self.command.end // HOUR)

    def left(self) -> int:
        return sum(self.free(range(h, h + 1)) for h in self.hours)


@dataclass
class Bid(Ask):
    """A buy: the same table, filled to the same height in every hour.

    `fixed` is the one node that it may trade with, once that is known.
    """

    fixed: int = 0


class NaiveMarket:
    """The rules of the market once more, with lists and tables, as plainly as possible.

    `happened` is a list of plain tuples: trades, ends, refusals, amendments.
    """

    def __init__(self) -> None:
        self.live: dict[int, Ask] = {}
        self.suspended: set[int] = set()
        self.minute = 0
        self.happened: list[tuple[Any, ...]] = []

    def apply(self, command: c.Command) -> None:
        self.minute = getattr(command, "minute", 0)
        due = [o for o in self.live.values() if 0 < o.command.expires <= getattr(command, "clock", 0)]
        for order in sorted(due, key=lambda o: (o.command.expires, o.command.order)):
            self.end(order, "expired")
        getattr(self, type(command).__name__.lower())(command)

    def configure(self, command: c.Configure) -> None:
        pass

    def is_on_book(self, order: Ask) -> bool:
        return order.command.node not in self.suspended

    def opposite(self, order: Ask) -> list[Ask]:
        others = [o for o in self.live.values() if type(o) is not type(order) and self.is_on_book(o)]
        if isinstance(order, Bid):
            good = [o for o in others if o.price <= order.price]
            return sorted(good, key=lambda o: (o.price, o.entry))
        others = [o for o in others if o.command.start >= self.minute]
        return sorted((o for o in others if o.price >= order.price), key=lambda o: (-o.price, o.entry))

    def sweep(self, order: Ask) -> tuple[list[tuple[Any, ...]], str]:
        """Dry run on copies. Returns steps and how it ended: `filled`, `stopped` or `dry`."""
        others = self.opposite(order)
        if isinstance(order, Bid) and order.fixed:
            return self.sweep_over(order, [o for o in others if o.command.node == order.fixed])
        if isinstance(order, Bid) and order.command.one_node:
            return self.best_of_nodes(order, others)
        return self.sweep_over(
            order, [o for o in others if getattr(o, "fixed", 0) in {0, order.command.node}]
        )

    def best_of_nodes(self, order: Bid, others: list[Ask]) -> tuple[list[tuple[Any, ...]], str]:
        """Sweep each node by itself and compare: most GPUs, then least money, then the older offer."""
        found = []
        for node in {o.command.node for o in others}:
            steps, ended = self.sweep_over(order, [o for o in others if o.command.node == node])
            trades = [step for step in steps if step[0] == "trade"]
            if trades:
                gpus = sum(step[-1] for step in trades)
                cost = sum(step[-1] * step[1].price for step in trades)
                found.append(((-gpus, cost, trades[0][1].entry), steps, ended))
        if not found:
            return self.sweep_over(order, others)
        _, steps, ended = min(found)
        return steps, ended

    def sweep_over(self, order: Ask, others: list[Ask]) -> tuple[list[tuple[Any, ...]], str]:
        """The sweep of an order over these others, in their order."""
        mine = dict(order.sold)
        steps: list[tuple[Any, ...]] = []
        for other in others:
            bid, ask = (order, other) if isinstance(order, Bid) else (other, order)
            hours = bid.hours
            trial = Ask(order.command, order.price, order.gpus, 0, mine)
            theirs = Ask(other.command, other.price, other.gpus, 0, other.sold)
            gpus = min(trial.free(hours), theirs.free(hours))
            if gpus <= 0:
                continue
            if other.command.account == order.command.account:
                if order.command.self_trade in {1, 2}:
                    steps.append(("end", other))
                if order.command.self_trade in {0, 2}:
                    return steps, "stopped"
                continue
            steps.append(("trade", other, bid, ask, hours, gpus))
            for hour in hours:
                mine[hour] = mine.get(hour, 0) + gpus
            if trial.left() == 0:
                return steps, "filled"
        return steps, "dry"

    def carry_out(self, steps: list[tuple[Any, ...]]) -> None:
        for kind, other, *rest in steps:
            if kind == "end":
                self.end(other, "self_trade")
                continue
            bid, ask, hours, gpus = rest
            if bid.command.one_node:
                bid.fixed = ask.command.node
            for order in (bid, ask):
                order.version += 1
                for hour in hours:
                    order.sold[hour] = order.sold.get(hour, 0) + gpus
            window = (hours.start * HOUR, hours.stop * HOUR)
            names = (bid.command.order, ask.command.order)
            self.happened.append(("trade", *names, other.price, gpus, *window))
            if other.left() == 0:
                del self.live[other.command.order]
            elif isinstance(other, Bid) and other.fixed and other.command.start <= self.minute:
                self.end(other, "window_begun")

    def end(self, order: Ask, reason: str) -> None:
        self.live.pop(order.command.order, None)
        self.happened.append(("end", order.command.order, reason, order.left() * HOUR))

    def refuse(self, number: int, reason: str) -> None:
        self.happened.append(("refused", number, reason))

    def new(self, command: c.New) -> None:
        kind = Bid if command.side > 0 else Ask
        order = kind(command, command.price, command.gpus, command.sequence)
        if isinstance(order, Bid):
            order.fixed = max(0, command.one_node)
        if not self.is_on_book(order):
            self.refuse(command.order, "node_suspended")
            return
        steps, ended = self.sweep(order)
        if command.post_only and (steps or ended == "stopped"):
            self.refuse(command.order, "would_trade")
            return
        if command.time_in_force == FORCES["fok"] and ended != "filled":
            _, anywhere = self.sweep_over(order, self.opposite(order))
            is_split = command.one_node and anywhere == "filled"
            self.refuse(command.order, "not_on_one_node" if is_split else "not_fillable")
            return
        self.carry_out(steps)
        if ended == "stopped":
            self.end(order, "self_trade")
        elif ended == "dry" and command.time_in_force >= FORCES["ioc"]:
            self.end(order, "immediate_or_cancel")
        elif ended == "dry" and self.is_too_late(order, steps):
            self.end(order, "window_begun")
        elif ended == "dry":
            self.live[command.order] = order

    def is_too_late(self, order: Ask, steps: list[tuple[Any, ...]]) -> bool:
        """A buy of one node that has got GPUs in the minute in which its window begins gets no more."""
        traded = any(step[0] == "trade" for step in steps)
        return isinstance(order, Bid) and order.fixed > 0 and traded and order.command.start <= self.minute

    def cancel(self, command: c.Cancel, reason: str = "requested") -> None:
        if command.order in self.live:
            self.end(self.live[command.order], reason)
        else:
            self.refuse(command.order, "not_open")

    def expire(self, command: c.Expire) -> None:
        self.cancel(c.Cancel(command.sequence, command.order), "expired")

    def cancelall(self, command: c.CancelAll) -> None:
        for order in sorted(self.live.values(), key=lambda o: o.entry):
            if order.command.account == command.account and command.product in {0, order.command.product}:
                self.end(order, "requested")

    def amend(self, command: c.Amend) -> None:
        order = self.live.get(command.order)
        if order is None:
            self.refuse(command.order, "not_open")
            return
        if command.version not in {0, order.version}:
            self.refuse(command.order, "version_changed")
            return
        keeps_place = command.price == order.price and command.gpus <= order.gpus
        if isinstance(order, Bid) and order.command.start < self.minute and not keeps_place:
            self.refuse(command.order, "window_passed")
            return
        trial = replace(order, price=command.price, gpus=command.gpus)
        if trial.left() == 0:
            self.end(order, "nothing_left")
            return
        if keeps_place or not self.is_on_book(order):
            order.price, order.gpus = command.price, command.gpus
            order.entry = order.entry if keeps_place else command.sequence
            self.amended(order)
            return
        steps, ended = self.sweep(trial)
        if order.command.post_only and (steps or ended == "stopped"):
            self.refuse(command.order, "would_trade")
            return
        order.price, order.gpus, order.entry = command.price, command.gpus, command.sequence
        self.amended(order)
        self.match_again(order)

    def amended(self, order: Ask) -> None:
        order.version += 1
        left = order.left() * HOUR
        self.happened.append(("amended", order.command.order, order.price, order.gpus, left))

    def match_again(self, order: Ask) -> None:
        steps, ended = self.sweep(order)
        self.carry_out(steps)
        if ended == "stopped":
            self.end(order, "self_trade")
        elif ended == "filled":
            del self.live[order.command.order]
        elif self.is_too_late(order, steps):
            self.end(order, "window_begun")

    def suspend(self, command: c.Suspend) -> None:
        self.suspended.add(command.node)

    def resume(self, command: c.Resume) -> None:
        was = command.node in self.suspended
        back = [o for o in self.live.values() if was and o.command.node == command.node]
        # They come back one at a time: a later one is not on the book while an earlier one matches.
        for order in sorted(back, key=lambda o: o.entry):
            steps, ended = self.sweep(order)
            if order.command.post_only and (steps or ended == "stopped"):
                self.end(order, "would_trade")
            else:
                self.match_again(order)
        self.suspended.discard(command.node)


def plainly(events: list[e.Event]) -> list[tuple[Any, ...]]:
    """The engine's events in the words of the naive market."""
    result: list[tuple[Any, ...]] = []
    for event in events:
        if isinstance(event, e.Trade):
            result.append(("trade", event.buy, event.sell, event.price, event.gpus, event.start, event.end))
        elif isinstance(event, e.Cancelled):
            result.append(("end", event.order, event.reason, event.gpu_minutes))
        elif isinstance(event, e.Rejected):
            result.append(("refused", event.order, event.reason))
        elif isinstance(event, e.Amended):
            result.append(("amended", event.order, event.price, event.gpus, event.gpu_minutes))
    return result
