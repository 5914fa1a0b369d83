"""The agent on a provider's node: says what the machine has, that it is there, and runs what leases want.

Its threads: heartbeats; wake-ups, which hears when there is something new; control, which asks the hub what
should run and brings the machine in line with the answer; output, which sends what the works print. No thread
waits for another, and trouble with one work stays with that work.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from compute_market.runners import devices
from compute_market.runners.assignments import MalformedAssignment, read_assignments
from compute_market.runners.base import Runner
from compute_market.runners.clocks import boot_seconds
from compute_market.runners.hub_link import HubError, HubLink, HubUnreachable
from compute_market.runners.loops import Loop, say
from compute_market.runners.output import PIECE_BYTES, text_of, whole_characters
from compute_market.runners.polling import LOOK_S, Polling
from compute_market.runners.reach import WaysIn
from compute_market.runners.wakeups import Wakeups
from compute_market.runners.works import KILL_AFTER_S, Task, Works

HEARTBEAT_TIMEOUT_S = 10.0
HEARTBEAT_S_MAX = 60.0
EVENTS_MAX = 100
# A work sends at most so many pieces before it is the others' turn.
PIECES_A_TURN = 8
STOP_TICK_S = 0.1
# The hub takes no more output of these works.
OUTPUT_UNWANTED = frozenset({"stale_token", "work_over"})


class Agent:
    """Keeps a node in line with what the hub wants of it."""

    def __init__(
        self,
        *,
        link: HubLink,
        runners: Sequence[Runner],
        folder: Path,
        memory_bytes_max: int = 0,
        poll_s: float | None = None,
    ) -> None:
        """`poll_s`: ask the hub this often, whatever it says; None: as the hub says."""
        self.link = link
        self.works = Works(runners=runners, folder=folder, memory_bytes_max=memory_bytes_max)
        self.ways_in = WaysIn(link.url, say=say)
        self.stopping = threading.Event()
        self.is_retired = False
        # A lock could not be taken in a signal handler; a pipe can be written there.
        self._asked, self._ask = os.pipe()
        self.wakeups = Wakeups(link, on_wake=self.wake, stopping=self.stopping)
        self.polling = Polling(fixed_s=poll_s, has_wakeups=lambda: self.wakeups.is_open)
        self._control = Loop("control", self.control, stopping=self.stopping)
        self.loops: list[Loop] = [self._control]
        self.add_loop("heartbeat", self.heartbeat)
        self.add_loop("output", self.send_output)
        self.add_loop("wakeups", self.wakeups.once)

    def add_loop(self, name: str, step: Callable[[], float]) -> None:
        """Repeat a step in a thread of its own while the agent runs (see `Loop`)."""
        self.loops.append(Loop(name, step, stopping=self.stopping))

    def report(self, *, method: str, found: list[dict[str, Any]]) -> dict[str, Any]:
        """Tell the hub what this machine has."""
        return self.link.call("report", {"method": method, "devices": found, "host": devices.host()})

    def run(self) -> None:
        """Work until asked to stop. The control thread has ended when this returns."""
        self.works.adopt()
        for loop in self.loops:
            loop.start()
        os.read(self._asked, 1)
        self.stopping.set()
        self.wakeups.close()
        for loop in self.loops:
            loop.nudge()
        self._control.join()
        self.ways_in.close()

    def wake(self) -> None:
        """Ask the hub what should run without waiting for the next time. From any thread."""
        self.polling.wake()
        self._control.nudge()

    def ask_to_stop(self) -> None:
        """Have `run` return. Safe in a signal handler and from any thread."""
        os.write(self._ask, b"x")

    def stop_all(self, *, reason: str) -> None:
        """End all work, and tell the hub as far as it answers. Takes as long as the slowest work to end."""
        deadline = boot_seconds() + 2 * KILL_AFTER_S
        self.ways_in.close()
        for task in self.works.tasks.values():
            self.works.stop(task, reason=reason, state="failed")
        while self.works.tasks and boot_seconds() < deadline:
            self.works.follow()
            with contextlib.suppress(HubUnreachable):
                self.send_output()
            if all(task.ending is not None for task in self.works.tasks.values()):
                break
            time.sleep(STOP_TICK_S)
        self.tell_endings()

    def heartbeat(self) -> float:
        """Say that the node is there; the seconds until the next time."""
        began = time.monotonic()
        answer = self.link.call(
            "heartbeat", {"runners": sorted(self.works.runners)}, timeout_s=HEARTBEAT_TIMEOUT_S
        )
        every = min(float(answer["heartbeat_seconds"]), HEARTBEAT_S_MAX)
        return max(1.0, every - (time.monotonic() - began))

    def control(self) -> float:
        """Look after the work, and ask the hub if it is time to; the seconds until the next round."""
        self.round(asks=self.polling.seconds_left() == 0 or self.works.wait_to_begin_again)
        left = self.polling.seconds_left()
        return min(left, LOOK_S) if self.works.tasks else left

    def round(self, *, asks: bool) -> None:
        """One round: perhaps ask what should run and do it; notice what is over, and tell."""
        events = self._ask_and_obey() if asks else []
        self.works.follow()
        self.ways_in.end_what_is_over(self.works)
        self.tell(events)
        self.tell_endings()

    def _ask_and_obey(self) -> list[dict[str, Any]]:
        """Bring the machine in line with what the hub wants; the events to tell."""
        asked_at = self.polling.begin()
        try:
            answer = self.link.call("poll", {})
            orders, refused = read_assignments(answer)
        except (HubUnreachable, HubError, MalformedAssignment) as error:
            say(f"the hub does not say what should run: {error}")
            if isinstance(error, HubError) and error.code == "node_retired":
                self.is_retired = True
                self.ask_to_stop()
            return []
        for reason in refused:
            say(f"an assignment was not understood: {reason}")
        events = self.works.bring_in_line(orders, asked_at=asked_at, is_all=not refused)
        self.ways_in.bring_in_line(orders, self.works)
        self.polling.answered(answer)
        return events

    def tell(self, events: list[dict[str, Any]]) -> list[dict[str, Any] | None]:
        """Report events; returns the hub's answer to each, None if there was none. An event without an answer
        is reported again in the next round, because events are derived from the state of the hub and the
        machine.
        """
        results: list[dict[str, Any] | None] = []
        for first in range(0, len(events), EVENTS_MAX):
            batch = events[first : first + EVENTS_MAX]
            try:
                answers = self.link.call("events", {"events": batch})["results"]
                results += [dict(answer) for answer in answers][: len(batch)]
            except (HubUnreachable, HubError, KeyError, TypeError, ValueError) as error:
                say(f"events were not heard: {error}")
            results += [None] * (first + len(batch) - len(results))
        return results

    def tell_endings(self) -> None:
        """Tell what is over, after its output; forget what the hub has heard or does not want to hear."""
        over = [task for task in self.works.tasks.values() if task.may_tell_its_end]
        results = self.tell([task.ending for task in over if task.ending is not None])
        for task, result in zip(over, results, strict=True):
            if result is not None:
                self.works.forget(task)

    def send_output(self) -> float:
        """Send some of each work's new output; the seconds until the next turn."""
        sent_any = False
        for task in list(self.works.tasks.values()):
            if task.running is not None and not task.is_output_sent:
                try:
                    sent_any |= self._send_output_of(task)
                except HubUnreachable:
                    raise
                except OSError as error:
                    say(f"{task.token}: output cannot be read: {error.strerror}")
                    task.is_output_sent = task.ending is not None
        return 0.1 if sent_any else 1.0

    def _send_output_of(self, task: Task) -> bool:
        """One work's turn; whether there may be more."""
        running = task.running
        if running is None:
            return False
        is_over = task.ending is not None
        for _ in range(PIECES_A_TURN):
            start, data = running.read(task.sent, PIECE_BYTES)
            piece = whole_characters(data, final=is_over)
            if not piece:
                task.is_output_sent = is_over
                return False
            left_out = f"\n[{start - task.sent} bytes are left out here]\n" if start > task.sent else ""
            body = {
                "token": task.token,
                "offset": start,
                "size": len(piece),
                "text": left_out + text_of(piece),
            }
            task.sent = start + len(piece)
            try:
                # The hub may have more than this agent knows of, from the one before it.
                task.sent = max(task.sent, int(self.link.call("logs", body)["expected"]))
            except HubUnreachable:
                task.sent = start
                raise
            except HubError as error:
                # Sent again it would be refused again: the piece is left out.
                say(f"{task.token}: output was refused: {error}")
                task.is_output_sent = error.code in OUTPUT_UNWANTED
        return True
