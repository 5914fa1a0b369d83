"""Tunnels and ssh servers report their state, for metrics and the doctor."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.core.management import call_command
from django.test import Client

from bazaar import nodes
from compute_market.leases import processes
from compute_market.tunnels import presence
from foundation.redis_connection import connection, key
from tests.clock import moment

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_told() -> Iterator[None]:
    """Redis outlives a test."""
    connection().delete(key(presence.PROCESSES))
    yield
    connection().delete(key(presence.PROCESSES))


def other(field: str, text: str) -> None:
    connection().hset(key(presence.PROCESSES), field, text)


class TestProcesses:
    def test_are_those_that_reported_lately(self) -> None:
        processes.tell("ssh", {"sessions": 2})
        other("ssh/elsewhere/7", json.dumps({"at": moment().timestamp(), "sessions": 3}))
        other("ssh/elsewhere/8", json.dumps({"at": moment().timestamp() - 60, "sessions": 100}))
        for number, nonsense in enumerate(("", "[]", '{"at": "x"}', '{"sessions": 1}')):
            other(f"ssh/nonsense/{number}", nonsense)
        running = processes.running()
        assert (len(running["ssh"]), running["tunnels"]) == (2, [])
        assert processes.sums(running["ssh"]) == {"sessions": 5}
        processes.leave("ssh")
        assert len(processes.running()["ssh"]) == 1

    def test_are_none_where_redis_does_not_answer(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        processes.tell("ssh", {"sessions": 2})
        gone = redis.Redis(unix_socket_path=str(tmp_path / "gone"))
        monkeypatch.setattr(processes, "connection", lambda: gone)
        assert processes.running() == {"tunnels": [], "ssh": []}

    def test_are_in_the_metrics(self, client: Client) -> None:
        processes.tell("tunnels", {"spares": 4, "bytes_in": 7})
        text = client.get("/metrics").content.decode()
        for line in (
            'bazaar_process_up{process="tunnels"} 1.0',
            'bazaar_process_up{process="ssh"} 0.0',
            "bazaar_tunnels_spares 4.0",
            "bazaar_tunnels_bytes_in_total 7.0",
            "bazaar_ssh_sessions 0.0",
        ):
            assert line in text

    def test_are_missed_by_the_doctor_where_a_hub_is_served(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def said() -> str:
            text = io.StringIO()
            call_command("doctor", stdout=text)
            return text.getvalue()

        monkeypatch.setattr(nodes, "serving", list)
        assert "bazaar.W209" not in said()
        monkeypatch.setattr(nodes, "serving", lambda: ["here"])
        assert "Nothing joins connections to leases" in said()
        processes.tell("tunnels", {"spares": 4})
        text = said()
        assert "bazaar.W209" not in text
        assert "bazaar.W210" in text
        assert "1 ×   tunnels: spares 4" in text
