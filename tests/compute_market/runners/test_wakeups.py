"""The times at which the agent asks: as the hub says, at once when it is woken, and never without end."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from compute_market.runners.agent import Agent
from compute_market.runners.clocks import boot_seconds
from compute_market.runners.fake import FakeRunner
from compute_market.runners.hub_link import HubLink
from compute_market.runners.polling import POLL_DEFAULT_S, POLL_MOST_S, POLL_RETRY_S, Polling
from tests.compute_market.runners.hub import ScriptedHub

SELDOM: dict[str, Any] = {"leases": [], "poll_seconds": 100, "poll_seconds_unwoken": 90}


@pytest.fixture
def hub() -> Iterator[ScriptedHub]:
    hub = ScriptedHub()
    hub.answers["poll"] = lambda _: (200, SELDOM)
    yield hub
    if hub.wakes is not None:
        hub.wakes.put(b"")
    hub.close()


@pytest.fixture
def agent(hub: ScriptedHub, tmp_path: Path) -> Iterator[Agent]:
    link = HubLink(url=hub.url, identity=tmp_path / "identity.json", instance="machine")
    link.identity = {"key": "secret", "key_id": "mbk_1"}
    agent = Agent(link=link, runners=[FakeRunner()], folder=tmp_path)
    yield agent
    agent.ask_to_stop()


def start(agent: Agent) -> threading.Thread:
    thread = threading.Thread(target=agent.run)
    thread.start()
    return thread


class TestTimes:
    def times(self, *, is_woken: bool = False, fixed_s: float | None = None) -> Polling:
        return Polling(fixed_s=fixed_s, has_wakeups=lambda: is_woken)

    @pytest.mark.parametrize(("is_woken", "expected"), [(True, 100), (False, 90)])
    def test_are_the_hubs(self, is_woken: bool, expected: float) -> None:
        polling = self.times(is_woken=is_woken)
        assert polling.seconds_left() == 0
        polling.begin()
        assert polling.seconds_left() == pytest.approx(POLL_RETRY_S, abs=1)
        polling.answered(SELDOM)
        assert polling.seconds_left() == pytest.approx(expected, abs=1)

    def test_are_the_operators_where_they_say(self) -> None:
        polling = self.times(fixed_s=7)
        polling.begin()
        polling.answered(SELDOM)
        assert polling.seconds_left() == pytest.approx(7, abs=1)

    @pytest.mark.parametrize("said", [None, "5", math.nan, math.inf, True, [5]])
    def test_are_the_usual_ones_where_the_hub_says_nonsense(self, said: object) -> None:
        polling = self.times()
        polling.begin()
        polling.answered({"poll_seconds_unwoken": said})
        assert polling.seconds_left() == pytest.approx(POLL_DEFAULT_S, abs=1)

    @pytest.mark.parametrize(("said", "expected"), [(1e9, POLL_MOST_S), (-1, 0), (0, 0)])
    def test_are_within_reason(self, said: float, expected: float) -> None:
        polling = self.times()
        polling.begin()
        polling.answered({"poll_seconds_unwoken": said})
        assert polling.seconds_left() == pytest.approx(expected, abs=1)

    def test_come_at_once_after_a_wake_up_and_not_without_end(self) -> None:
        polling = self.times()
        at = polling.begin()
        polling.answered(SELDOM)
        polling.wake()
        assert polling.seconds_left() < 1
        # It is for the next question; one that comes while that is asked is for another.
        polling.begin()
        polling.wake()
        polling.answered(SELDOM)
        assert polling.seconds_left() < 1
        polling.begin()
        polling.answered(SELDOM)
        assert polling.seconds_left() > 80
        assert boot_seconds() - at < 30


class TestWakeups:
    def has_polled(self, hub: ScriptedHub, times: int) -> bool:
        return len(hub.bodies("poll")) == times

    def test_have_the_agent_ask_at_once(self, hub: ScriptedHub, agent: Agent) -> None:
        hub.wakes = queue.SimpleQueue()
        thread = start(agent)
        # Once by itself, once when the connection is open; then not for a hundred seconds.
        hub.wait_for(lambda: agent.wakeups.is_open and len(hub.bodies("poll")) == 2)
        for count in (3, 4):
            hub.wakes.put(b"PING\n")
            hub.wakes.put(b"WAKE\n")
            hub.wait_for(partial(self.has_polled, hub, count))
        (asked,) = [headers for action, _, headers in hub.requests if action == "wakeups"]
        assert asked["X-Agent-Signature"]
        agent.ask_to_stop()
        thread.join(30)
        assert not thread.is_alive()

    def test_that_are_no_lines_end_the_connection_and_it_is_made_again(
        self, hub: ScriptedHub, agent: Agent
    ) -> None:
        hub.wakes = queue.SimpleQueue()
        thread = start(agent)
        hub.wait_for(lambda: agent.wakeups.is_open)
        hub.wakes.put(b"x" * 100_000)
        hub.wakes.put(b"")
        hub.wait_for(lambda: [action for action, _, _ in hub.requests].count("wakeups") == 2)
        agent.ask_to_stop()
        thread.join(30)

    def test_that_cannot_be_had_leave_the_agent_to_ask_more_often(
        self, hub: ScriptedHub, agent: Agent
    ) -> None:
        hub.answers["poll"] = lambda _: (200, SELDOM | {"poll_seconds_unwoken": 0.2})
        thread = start(agent)
        hub.wait_for(lambda: len(hub.bodies("poll")) > 4)
        assert not agent.wakeups.is_open
        agent.ask_to_stop()
        thread.join(30)
