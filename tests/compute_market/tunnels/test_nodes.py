"""Agents' wake-up connections at the tunnels: one for each node, and none that fills memory."""

from __future__ import annotations

import contextlib
import socket
from contextlib import ExitStack

import pytest

from compute_market.tunnels import nodes
from compute_market.tunnels.handover import Handover, Sender
from tests.compute_market.tunnels.conftest import KEY, Hub
from tests.waiting import until


def connected(hub: Hub, node: int, stack: ExitStack) -> socket.socket:
    """A node's connection, after the answer's head."""
    ours, theirs = socket.socketpair()
    stack.callback(ours.close)
    ours.settimeout(30)
    Sender(hub.socket_path, KEY).send(theirs, Handover(kind="node", node=node))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += ours.recv(1)
    assert b" 101 " in head
    assert b"Upgrade: bazaar-wake/1" in head
    until(lambda: hub.tell(lambda: node in hub.tunnels.nodes.by_id))
    return ours


def known(hub: Hub) -> set[int]:
    return hub.tell(lambda: set(hub.tunnels.nodes.by_id))


class TestNodes:
    def test_are_woken_each_by_its_number(self, hub: Hub, stack: ExitStack) -> None:
        first, second = (connected(hub, number, stack) for number in (1, 2))
        hub.tell(lambda: hub.tunnels.nodes.wake(2))
        hub.tell(lambda: hub.tunnels.nodes.wake(99))
        assert second.recv(100) == b"WAKE\n"
        hub.tell(hub.tunnels.nodes.ping)
        assert first.recv(100) == b"PING\n"
        first.close()
        until(lambda: known(hub) == {2})

    def test_have_one_connection_the_newest(self, hub: Hub, stack: ExitStack) -> None:
        before = connected(hub, 5, stack)
        now = connected(hub, 5, stack)
        with contextlib.suppress(ConnectionError):
            assert before.recv(100) == b""
        hub.tell(lambda: hub.tunnels.nodes.wake(5))
        assert now.recv(100) == b"WAKE\n"
        assert known(hub) == {5}

    def test_prove_themselves_anew_after_a_while(
        self, hub: Hub, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(nodes, "CONNECTION_SECONDS", 0.2)
        connection = connected(hub, 6, stack)
        with contextlib.suppress(ConnectionError):
            assert connection.recv(100) == b""
        until(lambda: known(hub) == set())

    def test_that_read_nothing_or_write_without_end_fill_no_memory(self, hub: Hub, stack: ExitStack) -> None:
        deaf = connected(hub, 7, stack)

        def wake_often() -> None:
            for _ in range(200_000):
                hub.tunnels.nodes.wake(7)

        hub.tell(wake_often)
        until(lambda: known(hub) == set())
        deaf.close()
        loud = connected(hub, 8, stack)
        loud.settimeout(1)
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 64 * 1024 * 1024:
                sent += loud.send(bytes(65536))
        assert sent < 8 * 1024 * 1024
