"""`script/market` as a new user runs it: a real process against a live market."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.clock import moment
from tests.servers.live import LiveBazaar
from tests.servers.remote import ROOT

SCENERY = "tests.web.scenery"


@dataclass
class Shell:
    """Somebody's terminal."""

    url: str
    token: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "BAZAAR_PYTHON": sys.executable,
            "BAZAAR_URL": self.url,
            "BAZAAR_TOKEN": self.token,
        }

    @contextmanager
    def opened(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A command that runs until the end of the block, then is interrupted."""
        command = [str(ROOT / "script" / "market"), *words]
        with subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True) as running:
            try:
                yield running
            finally:
                running.terminate()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(ROOT / "script" / "market"), *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def __call__(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self("--json", *words))

    def refusal(self, *words: str, code: int = 1) -> str:
        done = self.run(*words)
        assert (done.returncode, done.stdout) == (code, "")
        return done.stderr


@pytest.fixture
def slug(live_sqlite: LiveBazaar) -> str:
    provider = live_sqlite.user()
    return str(live_sqlite.remote.call(f"{SCENERY}:stock", provider.name))


@pytest.fixture
def shell(live_sqlite: LiveBazaar) -> Callable[..., Shell]:
    def open_one(funds: int = 10_000, scopes: str = "write,trade") -> Shell:
        user = live_sqlite.user(scopes=scopes)
        if funds:
            live_sqlite.remote.call(f"{SCENERY}:fund", user.name, funds)
        return Shell(live_sqlite.url, user.token)

    return open_one


class TestABuyer:
    def test_goes_from_looking_to_a_lease_and_out_of_it(
        self, shell: Callable[..., Shell], live_sqlite: LiveBazaar, slug: str
    ) -> None:
        me = shell()
        assert slug in me("gpus", "h100")
        assert "ask" in me("book", slug)
        quoted = me("quote", "2", "3", "h100")
        # The last line that it prints is the command that buys.
        words = quoted.strip().splitlines()[-1].split()
        assert words[:3] == ["market", "buy", slug]
        assert "Order" in me(*words[1:], "--wait", "0")
        live_sqlite.remote.call(f"{SCENERY}:clear")
        [order] = me.json("orders", "--all")
        assert (order["state"], order["filled_gpus"]) == ("filled", 2.0)
        assert "No open orders" in me("orders")
        [lease] = me.json("leases")
        assert str(lease["id"]) in me("leases")
        assert me.json("balance")[0]["held_micros"] == 0
        assert "escrow" in me("statement")
        ended = me("end", str(lease["id"]))
        assert "unused minutes are refunded" in ended

    def test_waits_amends_asks_why_and_cancels(
        self, shell: Callable[..., Shell], live_sqlite: LiveBazaar, slug: str
    ) -> None:
        me = shell()
        placed = me("buy", slug, "2", "3", "6", "--wait", "0.2", "--id", "mine", "--note", "for tonight")
        again = me("buy", slug, "2", "3", "6", "--wait", "0", "--id", "mine", "--note", "for tonight")
        number = placed.split()[1]
        assert again.split()[1] == number
        assert "Your note: for tonight" in again
        live_sqlite.remote.call(f"{SCENERY}:clear")
        why = me("explain", number)
        assert why.startswith(f"Order {number} is open.")
        assert "per GPU-hour to get" in why
        assert me("amend", number, "--gpus", "1", "--wait", "0").startswith("The change ")
        live_sqlite.remote.call(f"{SCENERY}:clear")
        assert me.json("orders")[0]["gpus"] == 1
        assert f"Order {number}" in me("cancel", number, "--wait", "0")
        live_sqlite.remote.call(f"{SCENERY}:clear")
        assert "[not_open]" in me.refusal("cancel", number)
        assert "0 orders are being cancelled" in me("cancel", "--all")


class TestWatching:
    def test_shows_changes_and_goes_on_where_it_was(
        self, shell: Callable[..., Shell], live_sqlite: LiveBazaar, slug: str
    ) -> None:
        me = shell()
        with me.opened("watch") as watching:
            assert watching.stdout is not None
            number, said = watching.stdout.readline().split()
            assert said == "watching."
            me("buy", slug, "1", "3", "6", "--wait", "0", "--id", "seen")
            live_sqlite.remote.call(f"{SCENERY}:clear")
            heard = watching.stdout.readline()
            assert "(seen) is open" in heard
        with me.opened("--json", "watch", "--after", number) as again:
            assert again.stdout is not None
            found = json.loads(again.stdout.readline())
        assert (found["name"], found["number"]) == ("change", int(heard.split()[0]))
        assert found["body"]["orders"][0]["client_order_id"] == "seen"


class TestTerms:
    def test_are_those_of_the_wire(self, shell: Callable[..., Shell], slug: str) -> None:
        me = shell()
        start = (moment() + timedelta(hours=5)).replace(minute=0, second=0, microsecond=0)
        until = (start - timedelta(minutes=90)).isoformat()
        terms = ("--start", start.isoformat(), "--until", until, "--post-only", "--self-trade", "cancel_both")
        order = me.json("buy", slug, "1", "1", "6", *terms, "--wait", "0")
        assert (order["time_in_force"], order["post_only"]) == ("gtd", True)
        assert order["self_trade"] == "cancel_both"
        assert datetime.fromisoformat(order["expires_at"]) == start - timedelta(minutes=90)
        late = ("--until", until, "--time-in-force", "fok")
        assert "applies to GTD orders only" in me.refusal("buy", slug, "1", "1", "6", *late)


class TestRefusals:
    def test_say_what_is_wrong_and_what_to_do(self, shell: Callable[..., Shell], slug: str) -> None:
        me = shell(funds=1)
        assert "0.06 credits. [order_invalid]" in me.refusal("buy", slug, "1", "1", "12.01")
        assert "The account has 1.00 credits available" in me.refusal("buy", slug, "1", "1", "12")
        assert "There is no product “nothing”" in me.refusal("buy", "nothing", "1", "1", "12")
        assert "[order_not_found]" in me.refusal("explain", "999999")
        assert "x is no whole number from 1" in me.refusal("buy", slug, "x", "1", "12", code=2)
        assert "NaN is no amount" in me.refusal("buy", slug, "1", "1", "NaN", code=2)
        assert "examples:" in me.refusal(code=2)

    def test_name_the_token_and_the_address(self, shell: Callable[..., Shell], slug: str) -> None:
        reader = shell(funds=0, scopes="read")
        assert "The token needs the scope `trade`." in reader.refusal("balance")
        assert "Set BAZAAR_TOKEN" in Shell(reader.url, "").refusal("balance")
        nowhere = Shell("http://127.0.0.1:9", "").refusal("gpus")
        assert "http://127.0.0.1:9 cannot be reached" in nowhere
