"""The works that agents carry out now: their spare connections, and the streams that pass through them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import dataclass, field

from compute_market.tunnels.ends import End, EndClosed, TooLong
from compute_market.tunnels.grants import Ticket

# For so long an agent may look for the work's port before its connection counts as dead.
TAKE_SECONDS = 1.0
# For so long a stream waits for a spare connection.
PATIENCE_SECONDS = 15.0
SPARES_MAX = 256
STREAMS_MAX = 4096
LINE_MAX = 200
# Beside its ports: a shell, and its folder's files. Only the hub's ssh server asks for them.
OWN_WAYS = frozenset({"!session", "!files"})
PING_SECONDS = 10.0


class NotServed(Exception):
    """There is no way to the port; the message says why, `status` as HTTP does."""

    def __init__(self, status: int, code: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.code = status, code


@dataclass(slots=True, eq=False)
class Work:
    """One work, by the newest ticket that its agent showed. Bytes are counted until they are flushed."""

    ticket: Ticket
    spares: deque[End] = field(default_factory=deque)
    waiting: deque[asyncio.Future[End]] = field(default_factory=deque)
    streams: set[End] = field(default_factory=set)
    bytes_in: int = 0
    bytes_out: int = 0
    opened: int = 0

    def port(self, asked: str) -> str | None:
        """The port's key, given its key or its name. Ways that every work has are their own keys."""
        if asked in OWN_WAYS:
            return asked
        return next((key for key, name in self.ticket.ports if asked in {key, name}), None)


class Works:
    """All works, by their token; and which work a lease runs now."""

    def __init__(self) -> None:
        self.by_token: dict[str, Work] = {}
        self.token_of: dict[int, str] = {}
        self.ended: dict[int, float] = {}
        # Byte counts of works that have ended.
        self._left: list[tuple[int, int, int, int]] = []
        # Bytes in, bytes out and streams since the start, as far as they were flushed.
        self._totals = [0, 0, 0]

    # ---- agents' connections ---------------------------------------------------------------------

    def add_spare(self, ticket: Ticket, end: End) -> bool:
        """Take in a spare connection of an agent that has proved its ticket. False: it is not wanted."""
        if ticket.lease in self.ended or ticket.until <= time.time():
            return False
        work = self.by_token.get(ticket.work)
        if work is None:
            work = self.by_token[ticket.work] = Work(ticket)
        elif ticket.issued >= work.ticket.issued:
            work.ticket = ticket
        before = self.token_of.get(ticket.lease)
        if before not in {None, ticket.work}:
            self._close(str(before))
        self.token_of[ticket.lease] = ticket.work
        if len(work.spares) >= SPARES_MAX:
            return False
        end.on_lost = lambda: self._forget(work, end)
        while work.waiting:
            asked = work.waiting.popleft()
            if not asked.done():
                asked.set_result(end)
                return True
        work.spares.append(end)
        return True

    def _forget(self, work: Work, end: End) -> None:
        with contextlib.suppress(ValueError):
            work.spares.remove(end)
        work.streams.discard(end)
        if not work.spares and not work.streams and not work.waiting:
            self._drop_if_over(work)

    def _drop_if_over(self, work: Work) -> None:
        if work.ticket.until <= time.time():
            self._close(work.ticket.work)

    # ---- streams ---------------------------------------------------------------------------------

    def find(self, lease: int, port: str) -> tuple[Work, str]:
        """The work of a lease and the key of its port. Raises: NotServed."""
        token = self.token_of.get(lease)
        work = self.by_token.get(token) if token else None
        if lease in self.ended:
            raise NotServed(410, "lease_over", "The lease is over.")
        if work is None or work.ticket.until <= time.time():
            raise NotServed(503, "not_connected", "The lease's machine is not connected; it may be starting.")
        key = work.port(port)
        if key is None:
            raise NotServed(404, "port_not_served", f"What runs in the lease does not serve {port}.")
        return work, key

    async def take(self, lease: int, port: str) -> End:
        """A connection to a port of what a lease runs, ready for its first byte. Raises: NotServed.

        A spare that does not answer at once is dead: nothing was sent on it, so another is taken.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        work, key = self.find(lease, port)
        if len(work.streams) >= STREAMS_MAX:
            raise NotServed(503, "too_many_streams", "Too many streams are open in this lease.")
        while (left := deadline - time.monotonic()) > 0:
            end = await self._spare(work, left)
            if end.is_over:
                end.abort()
                continue
            end.write(f"TAKE {key}\n".encode())
            try:
                async with asyncio.timeout(TAKE_SECONDS):
                    answer = await _answer(end)
            except (TimeoutError, EndClosed, TooLong):
                end.abort()
                continue
            except asyncio.CancelledError:
                end.abort()
                raise
            if answer != "OK":
                end.close()
                reason = answer.removeprefix("NO").strip() or "it does not answer"
                raise NotServed(502, "port_not_open", f"Port {port}: {reason}.")
            return self._opened(work, end)
        raise NotServed(504, "machine_silent", "The lease's machine did not answer in time.")

    async def _spare(self, work: Work, seconds: float) -> End:
        if work.spares:
            # The newest is the one most likely to be alive.
            return work.spares.pop()
        asked: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        work.waiting.append(asked)
        try:
            async with asyncio.timeout(seconds):
                return await asked
        except BaseException as error:
            if asked.done() and not asked.cancelled() and asked.exception() is None:
                work.spares.append(asked.result())  # it came at the moment when waiting ended
            if isinstance(error, TimeoutError):
                raise NotServed(503, "no_connection", "The lease's machine has no free connection.") from None
            raise
        finally:
            with contextlib.suppress(ValueError):
                work.waiting.remove(asked)

    def _opened(self, work: Work, end: End) -> End:
        work.streams.add(end)
        work.opened += 1

        def count(size: int) -> None:
            work.bytes_out += size

        end.on_bytes = count
        end.on_lost = lambda: self._forget(work, end)
        return end

    # ---- ends ------------------------------------------------------------------------------------

    def close_lease(self, lease: int) -> None:
        """A lease is over: what ran in it is reached no more, and its open streams end now."""
        self.ended[lease] = time.time()
        token = self.token_of.pop(lease, None)
        work = self.by_token.get(token) if token else None
        # If another lease continues the same work, its streams continue, too.
        if work is not None and work.ticket.lease == lease:
            self._close(work.ticket.work)

    def close_all(self) -> None:
        """End every stream and every spare connection."""
        for token in list(self.by_token):
            self._close(token)

    def close_overdue(self) -> None:
        """End connections that are past their time by our own clock, without waiting for a message."""
        now = time.time()
        for work in [work for work in self.by_token.values() if work.ticket.until <= now]:
            self._close(work.ticket.work)
        self.ended = {lease: at for lease, at in self.ended.items() if now - at < 86400}

    def ping(self) -> None:
        """A line on every spare connection, so that neither side nor what is between takes it for dead."""
        for work in self.by_token.values():
            for end in work.spares:
                end.write(b"PING\n")

    def _close(self, token: str) -> None:
        work = self.by_token.pop(token, None)
        if work is None:
            return
        for lease in [lease for lease, held in self.token_of.items() if held == token]:
            del self.token_of[lease]
        self._left.append((work.ticket.lease, work.bytes_in, work.bytes_out, work.opened))
        for end in [*work.spares, *work.streams]:
            end.abort()
        for asked in work.waiting:
            if not asked.done():
                asked.set_exception(NotServed(410, "lease_over", "The lease is over."))

    def facts(self) -> dict[str, float]:
        """Figures of this process for operators (`bazaar.metrics`)."""
        bytes_in, bytes_out, opened = self._totals
        return {
            "works": len(self.by_token),
            "spares": sum(len(work.spares) for work in self.by_token.values()),
            "streams": sum(len(work.streams) for work in self.by_token.values()),
            "waiting": sum(len(work.waiting) for work in self.by_token.values()),
            "bytes_in": bytes_in,
            "bytes_out": bytes_out,
            "opened": opened,
        }

    def counted(self) -> dict[int, tuple[int, int, int]]:
        """Lease → (bytes in, bytes out, streams) since the last time."""
        found: dict[int, tuple[int, int, int]] = {}
        left, self._left = self._left, []
        rows = [*left]
        for work in self.by_token.values():
            rows.append((work.ticket.lease, work.bytes_in, work.bytes_out, work.opened))
            work.bytes_in = work.bytes_out = work.opened = 0
        for lease, inside, outside, opened in rows:
            self._totals = [
                have + more for have, more in zip(self._totals, (inside, outside, opened), strict=True)
            ]
            before = found.get(lease, (0, 0, 0))
            found[lease] = (before[0] + inside, before[1] + outside, before[2] + opened)
        return {lease: counts for lease, counts in found.items() if any(counts)}


async def _answer(end: End) -> str:
    """The agent's word, past the answers to pings."""
    while True:
        line = (await end.read_until(b"\n", limit=LINE_MAX)).decode(errors="replace").strip()
        if line != "PONG":
            return line
