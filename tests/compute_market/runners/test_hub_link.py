"""The agent's line to the hub: addresses, numbers, clocks, and answers that make no sense."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compute_market.runners import hub_link, hub_sockets
from compute_market.runners.clocks import HubClock
from compute_market.runners.hub_link import (
    NONCES_RESERVED,
    HubError,
    HubLink,
    HubUnreachable,
    Nonces,
    safe_address,
    unix_seconds,
)
from compute_market.runners.hub_sockets import HubSockets
from tests.compute_market.runners.hub import ScriptedHub
from tests.waiting import pause


@pytest.fixture
def hub() -> Iterator[ScriptedHub]:
    hub = ScriptedHub()
    yield hub
    hub.close()


@pytest.fixture
def link(hub: ScriptedHub, tmp_path: Path) -> HubLink:
    link = HubLink(url=hub.url, identity=tmp_path / "identity.json", instance="machine")
    link.identity = {"key": "secret", "key_id": "mbk_1"}
    return link


class TestAddress:
    @pytest.mark.parametrize(
        "url",
        ["https://hub.example.org/", "http://localhost:8000", "http://127.0.0.2:80", "http://[::1]:8000"],
    )
    def test_is_https_or_this_machine(self, url: str) -> None:
        assert safe_address(url) == url.rstrip("/")

    @pytest.mark.parametrize(
        "url",
        [
            *(
                "http://hub.example.org",
                "http://10.0.0.1",
                "http://localhost.evil.example",
                "hub.example.org",
            ),
            *("ftp://localhost", "file:///etc/passwd", "http://localhost@evil.example", "https://", ""),
        ],
    )
    def test_is_nothing_else(self, url: str) -> None:
        with pytest.raises(ValueError, match=r"https://"):
            safe_address(url)

    def test_is_not_changed_by_a_redirect(self, hub: ScriptedHub, link: HubLink) -> None:
        hub.answers["poll"] = lambda _: (307, {"headers": {"Location": f"{hub.url}/elsewhere"}})
        with pytest.raises(HubError, match="307"):
            link.call("poll", {})
        assert [action for action, _, _ in hub.requests] == ["poll"]


class TestNonces:
    def test_grow_over_restarts_and_threads(self, tmp_path: Path) -> None:
        nonces = Nonces(tmp_path / "nonce")
        given: list[int] = []
        threads = [
            threading.Thread(target=lambda: given.extend(nonces.next() for _ in range(1000)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(given)) == 4000
        assert Nonces(tmp_path / "nonce").next() > max(given)

    def test_are_written_once_for_many(self, tmp_path: Path) -> None:
        nonces = Nonces(tmp_path / "nonce")
        nonces.next()
        (tmp_path / "nonce").unlink()
        for _ in range(NONCES_RESERVED):
            nonces.next()
        assert not (tmp_path / "nonce").exists()
        nonces.next()
        assert (tmp_path / "nonce").exists()

    def test_go_on_where_the_file_cannot_be_written(self, tmp_path: Path) -> None:
        nonces = Nonces(tmp_path / "no" / "such" / "folder")
        assert [nonces.next() for _ in range(3)] == [1, 2, 3]
        (tmp_path / "nonce").write_text("broken")
        assert Nonces(tmp_path / "nonce").next() == 1

    def test_go_past_what_the_hub_has_seen(self, hub: ScriptedHub, link: HubLink) -> None:
        problem = {"code": "agent_replayed", "detail": "before", "last_nonce": 10**18}
        answers = iter([(401, problem), (200, {"leases": []})])
        hub.answers["poll"] = lambda _: next(answers)
        assert link.call("poll", {}) == {"leases": []}
        numbers = [int(headers["X-Agent-Nonce"]) for _, _, headers in hub.requests]
        assert numbers == [1, 10**18 + 1]

    def test_are_not_tried_for_ever(self, hub: ScriptedHub, link: HubLink) -> None:
        hub.answers["poll"] = lambda _: (401, {"code": "agent_replayed", "last_nonce": 5})
        with pytest.raises(HubError, match="agent_replayed"):
            link.call("poll", {})
        assert len(hub.requests) == 3


class TestClock:
    def test_is_the_hubs_once_it_has_answered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = HubClock()
        clock.set(1_000_000.0)
        monkeypatch.setattr(time, "time", lambda: 5.0)
        assert 0 <= clock.now() - 1_000_000 < 60

    def test_is_corrected_by_a_refusal(self, hub: ScriptedHub, link: HubLink) -> None:
        problem = {"code": "agent_clock_off", "now": "2031-01-01T00:00:00+00:00"}
        answers = iter([(401, problem), (200, {"leases": []})])
        hub.answers["poll"] = lambda _: next(answers)
        link.call("poll", {})
        told = int(hub.requests[-1][2]["X-Agent-Timestamp"])
        assert 0 <= told - unix_seconds("2031-01-01T00:00:00Z") < 60

    def test_follows_the_time_in_answers(self, hub: ScriptedHub, link: HubLink) -> None:
        hub.answers["poll"] = lambda _: (200, {"leases": [], "now": "2031-01-01T00:00:00Z"})
        link.call("poll", {})
        assert 0 <= link.clock.now() - unix_seconds("2031-01-01T00:00:00Z") < 60


class TestAnswers:
    @pytest.mark.parametrize("answer", [[], "text", None, 5])
    def test_that_are_no_object_are_as_none(self, hub: ScriptedHub, link: HubLink, answer: object) -> None:
        hub.answers["poll"] = lambda _: (200, answer)
        with pytest.raises(HubUnreachable):
            link.call("poll", {})

    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
    def test_that_may_be_better_later_are_no_refusals(
        self, hub: ScriptedHub, link: HubLink, status: int
    ) -> None:
        hub.answers["poll"] = lambda _: (status, {})
        with pytest.raises(HubUnreachable):
            link.call("poll", {})

    def test_that_are_too_deep_or_too_long_are_as_none(
        self, hub: ScriptedHub, link: HubLink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hub.raw["poll"] = b"[" * 100_000
        with pytest.raises(HubUnreachable):
            link.call("poll", {})
        monkeypatch.setattr(hub_link, "ANSWER_BYTES_MAX", 1000)
        hub.raw["poll"] = b'{"leases": "' + b"x" * 1000 + b'"}'
        with pytest.raises(HubUnreachable, match="more than"):
            link.call("poll", {})

    def test_cannot_use_up_the_numbers(self, hub: ScriptedHub, link: HubLink) -> None:
        hub.answers["poll"] = lambda _: (401, {"code": "agent_replayed", "last_nonce": 2**63})
        with pytest.raises(HubError, match="agent_replayed"):
            link.call("poll", {})
        assert link.nonces.next() == 2

    def test_need_a_hub(self, hub: ScriptedHub, link: HubLink) -> None:
        link.url = "http://127.0.0.1:1"
        with pytest.raises(HubUnreachable):
            link.call("poll", {})


# (bytes sent at once, bytes repeated without end): a byte now and then keeps a socket from timing out.
DRIPS = {
    "status": (b"", b"HTTP/1.1 200 OK "),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-More: x\r\n"),
    "one header": (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{", b" "),
    "body of a refusal": (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100000\r\n\r\n{", b" "),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
}


class TestDeadline:
    """Without it each of these calls would never return: the test's own time-out would end them."""

    @pytest.mark.parametrize(("first", "then"), DRIPS.values(), ids=DRIPS)
    def test_is_for_the_whole_answer(self, link: HubLink, first: bytes, then: bytes) -> None:
        with dripping_server(first, then) as port:
            link.url = f"http://127.0.0.1:{port}"
            with pytest.raises((HubUnreachable, HubError)) as refused:
                link.call("poll", {}, timeout_s=0.5)
        # A refusal is known by its status; only the hub's reason is missing.
        assert "timed out" in str(refused.value) or "403" in str(refused.value)

    def test_is_for_tls_as_well(self, link: HubLink) -> None:
        """A handshake that does not go on is no answer either."""
        with dripping_server(b"", b"\x16") as port:
            link.url = f"https://127.0.0.1:{port}"
            with pytest.raises(HubUnreachable):
                link.call("poll", {}, timeout_s=0.5)

    @pytest.mark.parametrize("name", ["status", "headers", "one header"])
    def test_is_for_the_head_of_an_upgrade(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hub_sockets, "CONNECT_S", 0.5)
        with dripping_server(*DRIPS[name]) as port:
            sockets = HubSockets(f"http://127.0.0.1:{port}")
            with pytest.raises(TimeoutError):
                sockets.upgraded("/x", "bazaar-work/1", {})

    def test_lets_a_slow_but_timely_answer_through(self, link: HubLink) -> None:
        text = b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n" + b'{"leases": []}'
        with dripping_server(b"", text, piece=7) as port:
            link.url = f"http://127.0.0.1:{port}"
            assert link.call("poll", {}, timeout_s=60) == {"leases": []}


@contextlib.contextmanager
def dripping_server(first: bytes, then: bytes, *, piece: int = 1) -> Iterator[int]:
    """Answers one request with `first`, then a piece of `then` 50 times a second, again and again, as long
    as somebody listens; gives its port.
    """
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(first)
            while True:
                for start in range(0, len(then), piece):
                    connection.sendall(then[start : start + piece])
                    pause(0.02)

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    yield int(listener.getsockname()[1])
    thread.join(30)
    listener.close()
    assert not thread.is_alive(), "the agent has not closed its connection"
