"""An account's private stream on a live server: limits, the end of rights, a restart of the server."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.accounts.services import tokens
from tests.servers.live import LiveBazaar, LiveUser, unique

STREAM = "/api/market/v1/account/stream"
STREAMS_OF_AN_ACCOUNT = 20


class Reader:
    """One reader of the stream. It keeps what it got, in text, until the server ends the stream."""

    def __init__(self, bazaar: LiveBazaar, headers: dict[str, str]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", bazaar.port), timeout=60)
        lines = {"Host": f"127.0.0.1:{bazaar.port}", "Accept": "text/event-stream", **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.socket.sendall(f"GET {STREAM} HTTP/1.1\r\n{head}\r\n".encode())
        self.text = b""

    @property
    def events(self) -> list[tuple[int, str, dict[str, Any]]]:
        """The events that came whole."""
        found = []
        for block in self.text.split(b"\n\n")[:-1]:
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line)
            if b"data" in fields:
                found.append((int(fields[b"id"]), fields[b"event"].decode(), json.loads(fields[b"data"])))
        return found

    def read(self, count: int) -> list[tuple[int, str, dict[str, Any]]]:
        """The first `count` events."""
        while len(self.events) < count:
            data = self.socket.recv(65536)
            assert data, self.text
            self.text += data
        return self.events[:count]

    def read_to_the_end(self) -> None:
        """Read until the server closes the stream."""
        while data := self.socket.recv(65536):
            self.text += data

    def leave(self) -> None:
        """Say good-bye, and wait until the server has heard it: it counts this stream no more then."""
        with self.socket, contextlib.suppress(OSError):  # it may have ended before
            if self.status() == 200:
                self.socket.shutdown(socket.SHUT_WR)
                self.read_to_the_end()

    def status(self) -> int:
        """The status of the answer."""
        while b"\r\n" not in self.text:
            data = self.socket.recv(65536)
            assert data, "the server closed the connection without an answer"
            self.text += data
        return int(self.text.split(b" ", 2)[1])


Open = Callable[..., Reader]


@pytest.fixture(scope="module")
def bazaar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBazaar]:
    """A hub with one web process, so a limit of a process is the hub's; this machine is limited, too."""
    settings = {
        "BAZAAR_WEB_WORKERS": "1",
        "BAZAAR_RATE_LOOPBACK": "1",
        "BAZAAR_MARKET_STREAMS_PER_ADDRESS": str(STREAMS_OF_AN_ACCOUNT + 2),
    }
    with LiveBazaar(tmp_path_factory.mktemp("streams"), settings=settings) as bazaar:
        yield bazaar


@pytest.fixture
def open_stream(bazaar: LiveBazaar) -> Iterator[Open]:
    opened: list[Reader] = []

    def call(user: LiveUser | None = None, **headers: str) -> Reader:
        if user is not None:
            headers = {"Authorization": f"Bearer {user.token}", **headers}
        opened.append(Reader(bazaar, headers))
        return opened[-1]

    yield call
    for reader in opened:
        reader.leave()


def trader(bazaar: LiveBazaar) -> LiveUser:
    user = bazaar.user(scopes="write,trade")
    bazaar.manage("deposit", user.name, "100")
    return user


def deposit(bazaar: LiveBazaar, user: LiveUser, amount: int = 1) -> None:
    """A change of the account: one event."""
    bazaar.manage("deposit", user.name, str(amount), "--key", unique("d"))


class TestLimits:
    def test_of_an_account_and_of_an_address_refuse_one_stream_more(
        self, bazaar: LiveBazaar, open_stream: Open
    ) -> None:
        user, other = trader(bazaar), trader(bazaar)
        readers = [open_stream(user) for _ in range(STREAMS_OF_AN_ACCOUNT)]
        assert {reader.read(1)[0][1] for reader in readers} == {"start"}
        refused = open_stream(user)
        assert refused.status() == 429
        others = [open_stream(other) for _ in range(2)]
        assert [reader.read(1)[0][1] for reader in others] == ["start", "start"]
        assert open_stream(other).status() == 429
        deposit(bazaar, user, 7)
        told = [reader.read(2)[1][2]["balances"] for reader in readers]
        assert all(balances == told[0] for balances in told)
        assert told[0][0]["balance_micros"] == 107_000_000
        assert [len(reader.events) for reader in others] == [1, 1]


class TestEndOfRights:
    @pytest.mark.parametrize("way", ["token", "logout"])
    def test_ends_the_stream_and_nothing_more_is_sent(
        self, bazaar: LiveBazaar, open_stream: Open, way: str
    ) -> None:
        user = trader(bazaar)
        with httpx.Client(base_url=bazaar.url, follow_redirects=True) as browser:
            reader = open_stream(user) if way == "token" else open_stream(Cookie=signed_in(browser, user))
            reader.read(1)
            deposit(bazaar, user)
            assert reader.read(2)[1][1] == "change"
            if way == "token":
                bazaar.remote.call("tests.wire.test_market_account_stream:revoke_tokens", user.name)
            else:
                form = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
                assert browser.post("/logout", data=form).status_code == 200
        ended = threading.Thread(target=reader.read_to_the_end)
        ended.start()
        while ended.is_alive():
            deposit(bazaar, user, 1000)
            ended.join(timeout=2)
        # The rights are cached for a second: events of this second may have been sent.
        assert len(reader.events) <= 4
        assert open_stream(user).status() == (401 if way == "token" else 200)


class TestARestart:
    def test_of_the_server_loses_and_repeats_nothing_for_who_comes_back(
        self, bazaar: LiveBazaar, open_stream: Open
    ) -> None:
        user = trader(bazaar)
        reader = open_stream(user)
        [(number, name, _)] = reader.read(1)
        assert name == "start"
        deposit(bazaar, user)
        bazaar.stop_web()
        reader.read_to_the_end()
        seen = [event[0] for event in reader.events if event[1] == "change"]
        deposit(bazaar, user)
        bazaar.start_web()
        deposit(bazaar, user)
        again = open_stream(user, **{"Last-Event-ID": str(seen[-1] if seen else number)})
        seen += [event[0] for event in again.read(3 - len(seen))]
        assert seen == [number + 1, number + 2, number + 3]
        assert {event[1] for event in again.events} == {"change"}
        assert again.events[-1][2]["balances"][0]["balance_micros"] == 103_000_000


def signed_in(browser: httpx.Client, user: LiveUser) -> str:
    """The cookies of somebody who signed in on the pages."""
    page = browser.get("/login")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token is not None
    form = {"csrfmiddlewaretoken": token[1], "name": user.name, "password": user.password}
    answer = browser.post("/login", data=form, headers={"Referer": f"{browser.base_url}/login"})
    assert answer.status_code == 200
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


def revoke_tokens(name: str) -> None:
    """At the live server's end: revoke all tokens of a user."""
    user = User.objects.get(namespace__name=name)
    for token in user.access_tokens.all():
        tokens.revoke_token(actor=Principal(user=user), token_id=token.pk)
