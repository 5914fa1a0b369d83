"""The engine: commands in, events out, nothing else. No clock, no database, no floats, no chance.

The same commands give the same events and the same state on every machine, however they are cut
into batches; a shard's whole market can be rebuilt from its command log alone.
"""

from __future__ import annotations

from heapq import heappop
from typing import TYPE_CHECKING

from compute_market.matching.engine import commands as c
from compute_market.matching.engine import deadlines, refusals
from compute_market.matching.engine import events as e
from compute_market.matching.engine.book import Book, Order, by_entry
from compute_market.matching.engine.events import Reason
from compute_market.matching.engine.sweep import plan, plan_buy, plan_sell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from compute_market.matching.engine.sweep import Plan

# A named tuple is made twice as fast by its base class as by its own name.
make = tuple.__new__
OPEN, CLOSED = int(c.Trading.OPEN), int(c.Trading.CLOSED)
IOC, FOK = int(c.TimeInForce.IOC), int(c.TimeInForce.FOK)


class OutOfSequence(Exception):
    """The log has a gap or a repeat; going on would make the market differ from its record."""


class Engine:
    """The books of one shard.

    `sequence` is the last command carried out, `number` the last event given. `deadlines` is a heap of
    `(expires, order)`: before a command is carried out, every order whose time is up by that command's clock
    ends (rule M15), so an expired order never trades however late it is swept.
    """

    def __init__(self) -> None:
        self.sequence = 0
        self.number = 0
        self.books: dict[int, Book] = {}
        self.orders: dict[int, Order] = {}
        self.suspended: set[int] = set()
        self.deadlines: list[tuple[int, int]] = []
        self._tell: Callable[[e.Event], None]
        self._handlers: dict[type[c.Command], Callable[..., None]] = {
            c.New: self._new,
            c.Cancel: self._cancel,
            c.Amend: self._amend,
            c.CancelAll: self._cancel_all,
            c.Expire: self._expire,
            c.Suspend: self._suspend,
            c.Resume: self._resume,
            c.Configure: self._configure,
        }

    def apply(self, commands: Iterable[c.Command]) -> list[e.Event]:
        """Carry out commands and return what happened.

        Raises: OutOfSequence; nothing of the offending command has been carried out then.
        """
        events: list[e.Event] = []
        self._tell = events.append
        handlers = self._handlers
        sequence = before = self.sequence
        for sequence, command in enumerate(commands, start=before + 1):
            if command[0] != sequence:
                self.sequence = sequence - 1
                raise OutOfSequence(f"Command {command[0]} came where {sequence} belongs.")
            handlers[type(command)](command)
        self.sequence = sequence
        return events

    # ---- one method a command ----------------------------------------------------------------

    def _new(self, command: c.New) -> None:
        (sequence, number, account, product, side, price, gpus, start, end, node, force, post_only,
         self_trade, minute, one_node, expires, clock) = command  # fmt: skip
        if self.deadlines and self.deadlines[0][0] <= clock:
            self._end_due(clock, sequence)
        book = self.books.get(product)
        if (
            book is None
            or book.trading
            or not book.lowest <= price <= book.highest
            or (price % book.tick or gpus % book.lot or node in self.suspended)
        ):
            self._reject(sequence, number, refusals.of_terms(book, price, gpus))
            return
        order = Order(
            number, account, product, side, price, gpus, start, end, node, post_only, self_trade, sequence
        )
        if one_node or expires:
            order.one_node, order.expires = one_node, expires
        if side > 0:
            own, opposite, key = book.bids, book.asks, price
        else:
            own, opposite, key = book.asks, book.bids, -price
        # The best key of the other side tells at once that there is nothing to meet.
        if not opposite.keys or opposite.keys[-1] < -key:
            if force == FOK:
                self._reject(sequence, number, Reason.NOT_FILLABLE)
                return
            self.number += 1
            self._tell(make(e.Accepted, (self.number, sequence, number)))
            if force == IOC:
                self._end(order, sequence, Reason.IMMEDIATE)
            else:
                self.orders[number] = order
                own.join(order, key, (start, end))
                if expires:
                    deadlines.add(self.deadlines, order, self.orders)
            return
        met = plan_buy(book, order) if side > 0 else plan_sell(book, order, minute)
        if post_only or force == FOK:
            refusal = refusals.of_plan(met, order, book, force)
            if refusal:
                self._reject(sequence, number, refusal)
                return
        self.number += 1
        self._tell(make(e.Accepted, (self.number, sequence, number)))
        self._carry_out(met, order, book, sequence, minute)
        if not met.filled or met.stopped:
            self._keep_rest(met, order, book, command)

    def _keep_rest(self, met: Plan, order: Order, book: Book, command: c.New) -> None:
        """Let what is left of a new order rest, unless its terms or what it met end it."""
        sequence = command.sequence
        if met.stopped:
            self._end(order, sequence, Reason.SELF_TRADE)
        elif command.time_in_force >= IOC:
            self._end(order, sequence, Reason.IMMEDIATE)
        elif order.one_node > 0 and order.start <= command.minute and order.open < order.gpus:
            self._end(order, sequence, Reason.WINDOW_BEGUN)
        else:
            self.orders[order.number] = order
            self._rest(order, book)
            if order.expires:
                deadlines.add(self.deadlines, order, self.orders)

    def _cancel(self, command: c.Cancel | c.Expire, reason: str = Reason.REQUESTED) -> None:
        sequence, number = command
        order = self.orders.pop(number, None)
        if order is None:
            self._reject(sequence, number, Reason.NOT_OPEN)
            return
        queue = order.queue
        if queue is not None:
            queue.side.leave(order)
        left = order.open * (order.end - order.start) if order.steps is None else order.open_minutes()
        self.number += 1
        self._tell(make(e.Cancelled, (self.number, sequence, number, reason, left)))

    def _expire(self, command: c.Expire) -> None:
        self._cancel(command, Reason.EXPIRED)

    def _amend(self, command: c.Amend) -> None:
        sequence, number, price, gpus, version, minute, clock = command
        if self.deadlines and self.deadlines[0][0] <= clock:
            self._end_due(clock, sequence)
        order = self.orders.get(number)
        if order is None:
            self._reject(sequence, number, Reason.NOT_OPEN)
            return
        if version and version != order.version:
            self._reject(sequence, number, Reason.VERSION_CHANGED)
            return
        book = self.books[order.product]
        if gpus % book.lot:
            self._reject(sequence, number, Reason.OFF_LOT)
            return
        if price == order.price and gpus <= order.gpus:
            self._reduce(order, gpus, book, sequence)
            return
        if book.trading or not book.lowest <= price <= book.highest or price % book.tick:
            self._reject(sequence, number, refusals.of_terms(book, price, gpus))
        elif order.side > 0 and order.start < minute:
            self._reject(sequence, number, Reason.WINDOW_PASSED)
        else:
            self._enter_afresh(order, price, gpus, book, command)

    def _reduce(self, order: Order, gpus: int, book: Book, sequence: int) -> None:
        """Fewer GPUs at the same price: the order keeps its place, unless nothing is left of it."""
        terms = order.gpus, order.open
        if order.steps is None:
            order.open -= order.gpus - gpus
        order.gpus = gpus
        window = order.window()
        if window is None:
            order.gpus, order.open = terms
            self._remove(order)
            self._end(order, sequence, Reason.NOTHING_LEFT)
            return
        self._amended(order, sequence)
        self._moved(order, book, window)

    def _enter_afresh(self, order: Order, price: int, gpus: int, book: Book, command: c.Amend) -> None:
        """Another price or more GPUs: out of the queue, and matched as if it came in now."""
        sequence = command.sequence
        was = order.price, order.gpus, order.open
        if order.steps is None:
            order.open += gpus - order.gpus
        order.price, order.gpus = price, gpus
        if order.window() is None:
            order.price, order.gpus, order.open = was
            self._remove(order)
            self._end(order, sequence, Reason.NOTHING_LEFT)
            return
        if order.node in self.suspended:
            order.entry = sequence
            self._amended(order, sequence)
            return
        met = plan(book, order, command.minute)
        if order.post_only and (met.meetings or met.stopped):
            order.price, order.gpus, order.open = was
            self._reject(sequence, order.number, Reason.WOULD_TRADE)
            return
        book.side(order.side).leave(order)
        order.entry = sequence
        self._amended(order, sequence)
        self._settle(met, order, book, sequence, command.minute)

    def _cancel_all(self, command: c.CancelAll) -> None:
        sequence, account, product = command
        self._end_many(
            [
                order
                for order in self.orders.values()
                if order.account == account and product in {0, order.product}
            ],
            sequence,
            Reason.REQUESTED,
        )

    def _suspend(self, command: c.Suspend) -> None:
        sequence, node = command
        self.suspended.add(node)
        offers = [order for order in self.orders.values() if order.node == node and order.queue]
        for order in offers:
            self.books[order.product].asks.leave(order)
        self.number += 1
        self._tell(e.Done(self.number, sequence, len(offers)))

    def _resume(self, command: c.Resume) -> None:
        """Offers come back oldest first; one that now meets a bid trades as the incoming side."""
        sequence, node, minute, clock = command
        self._end_due(clock, sequence)
        self.suspended.discard(node)
        count = self._return(
            [order for order in self.orders.values() if order.node == node and order.queue is None],
            sequence,
            minute,
        )
        self.number += 1
        self._tell(e.Done(self.number, sequence, count))

    def _configure(self, command: c.Configure) -> None:
        sequence, product, lot, tick, lowest, highest, trading, minute, clock = command
        self._end_due(clock, sequence)
        book = self.books.get(product)
        if book is None:
            book = self.books[product] = Book(product)
        book.lot, book.tick, book.lowest, book.highest, book.trading = lot, tick, lowest, highest, trading
        if trading == CLOSED:
            resting = [order for order in self.orders.values() if order.product == product]
            self._end_many(resting, sequence, Reason.PRODUCT_CLOSED, done=False)
        elif trading == OPEN:
            # Offers whose node came back while the product was halted had to wait for this.
            waiting = [o for o in self.orders.values() if o.product == product and o.queue is None]
            self._return([o for o in waiting if o.node not in self.suspended], sequence, minute)
        self.number += 1
        self._tell(e.Configured(self.number, sequence, product, trading))

    # ---- steps -------------------------------------------------------------------------------

    def _carry_out(self, met: Plan, taker: Order, book: Book, sequence: int, minute: int) -> None:
        """Trade with every order of the plan, and cancel resting orders of the taker's own account.

        If the window of a resting same-node buy has begun, a fill ends the rest of the order: its lease
        starts now and cannot grow any more.
        """
        tell = self._tell
        product, taker_side = book.product, taker.side
        opposite = book.bids if taker_side < 0 else book.asks
        for maker, gpus in met.meetings:
            if not gpus:
                self._remove(maker)
                self._end(maker, sequence, Reason.SELF_TRADE)
                continue
            buy, sell = (taker, maker) if taker_side > 0 else (maker, taker)
            start, end = buy.start, buy.end
            self.number += 1
            trade = (
                self.number, sequence, product, maker.price, gpus, start, end,
                buy.number, sell.number, taker_side, buy.account, sell.account, sell.node,
            )  # fmt: skip
            tell(make(e.Trade, trade))
            taker.take(start, end, gpus)
            maker.take(start, end, gpus)
            if buy.one_node:
                buy.one_node = sell.node
            if maker.steps is None:
                if not maker.open:
                    opposite.leave(maker)
                    del self.orders[maker.number]
                elif maker.one_node and start <= minute:
                    self._remove(maker)
                    self._end(maker, sequence, Reason.WINDOW_BEGUN)
            elif (window := maker.window()) is None:
                opposite.leave(maker)
                del self.orders[maker.number]
            else:
                self._moved(maker, book, window)

    def _return(self, offers: list[Order], sequence: int, minute: int) -> int:
        """Match offers that were off the book, oldest first, and rest what is left at its old place."""
        count = 0
        for order in sorted(offers, key=by_entry):
            book = self.books[order.product]
            if book.trading:
                continue
            count += 1
            met = plan(book, order, minute)
            if order.post_only and (met.meetings or met.stopped):
                del self.orders[order.number]
                self._end(order, sequence, Reason.WOULD_TRADE)
            else:
                self._settle(met, order, book, sequence, minute)
        return count

    def _settle(self, met: Plan, order: Order, book: Book, sequence: int, minute: int) -> None:
        """Carry out the plan of an order that was on the book before, and put back what is left."""
        left = order.open
        self._carry_out(met, order, book, sequence, minute)
        if met.stopped:
            del self.orders[order.number]
            self._end(order, sequence, Reason.SELF_TRADE)
        elif met.filled:
            del self.orders[order.number]
        elif order.one_node > 0 and order.start <= minute and order.open < left:
            del self.orders[order.number]
            self._end(order, sequence, Reason.WINDOW_BEGUN)
        else:
            self._rest(order, book)

    def _end_due(self, clock: int, sequence: int) -> None:
        """End every order whose time is up at this moment, in the order of their times."""
        while self.deadlines and self.deadlines[0][0] <= clock:
            order = self.orders.get(heappop(self.deadlines)[1])
            if order is not None:
                self._remove(order)
                self._end(order, sequence, Reason.EXPIRED)

    def _rest(self, order: Order, book: Book) -> None:
        """Put an order with something left into the queue of its price and window."""
        window = order.window()
        if window is None:  # pragma: no cover - a plan says `filled` then
            raise AssertionError(f"{order!r} has nothing to rest.")
        book.side(order.side).join(order, order.side * order.price, window)

    def _moved(self, order: Order, book: Book, window: tuple[int, int]) -> None:
        """An order whose free window shrank joins the queue of that window, at its place in time."""
        if order.queue is not None and order.queue.window != window:
            side = book.side(order.side)
            side.leave(order)
            side.join(order, order.side * order.price, window)

    def _remove(self, order: Order) -> None:
        if order.queue is not None:
            order.queue.side.leave(order)
        del self.orders[order.number]

    def _end(self, order: Order, sequence: int, reason: str) -> None:
        self.number += 1
        left = order.open_minutes()
        self._tell(make(e.Cancelled, (self.number, sequence, order.number, reason, left)))

    def _end_many(self, orders: list[Order], sequence: int, reason: str, *, done: bool = True) -> None:
        for order in sorted(orders, key=by_entry):
            self._remove(order)
            self._end(order, sequence, reason)
        if done:
            self.number += 1
            self._tell(e.Done(self.number, sequence, len(orders)))

    def _amended(self, order: Order, sequence: int) -> None:
        order.version += 1
        self.number += 1
        self._tell(
            e.Amended(self.number, sequence, order.number, order.price, order.gpus, order.open_minutes())
        )

    def _reject(self, sequence: int, number: int, reason: str) -> None:
        self.number += 1
        self._tell(make(e.Rejected, (self.number, sequence, number, reason)))
