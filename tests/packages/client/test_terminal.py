"""The command line prints no terminal commands, wherever the text comes from; and the output of its verbs."""

from __future__ import annotations

import ast
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest

import bazaar_client as client
from bazaar_client import cli, orders
from bazaar_client.changes import Change
from bazaar_client.market import Market
from bazaar_client.shown import Out
from bazaar_client.watching import told
from tests.described import sample_component
from tests.packages.client.told import Told

EVIL = "\x1b[2J\u202e\x07"
SPOILT_NOT = re.compile(r"\d{4}-\d\d-\d\dT")


def spoilt(value: Any) -> Any:
    """A value whose texts, but for times, command a terminal."""
    match value:
        case dict():
            return {name: spoilt(each) for name, each in value.items()}
        case list():
            return [spoilt(each) for each in value]
        case str() if not SPOILT_NOT.match(value):
            return f"{value}{EVIL}"
        case _:
            return value


class Spoilt(Told):
    """A market all of whose texts command a terminal."""

    def call(self, *args: Any, **more: Any) -> dict[str, Any]:
        found: dict[str, Any] = spoilt(super().call(*args, **more))
        return found


def shown(capsys: pytest.CaptureFixture[str], market: Market, *words: str) -> str:
    args = cli.parser().parse_args(words)
    args.call(market, Out(as_json=args.json), args)
    return capsys.readouterr().out


def commands(text: str) -> set[str]:
    """The characters of a text that a terminal may take for more than text."""
    return {char for char in text if unicodedata.category(char) in {"Cc", "Cf"}} - {"\n"}


class TestTerminal:
    @pytest.mark.parametrize("as_json", [False, True])
    @pytest.mark.parametrize(
        "words",
        [
            "gpus --all",
            "book h100",
            "quote 8 24 h100",
            "orders",
            "buy h100 8 24 12 --wait 0",
            "sell h100 8 24 12 --node 3 --wait 0",
            "amend 42 --gpus 4 --wait 0",
            "cancel 42 --wait 0",
            "explain 42",
            "leases",
            "run 17 python",
            "ports 17",
            "link 17 8888",
            "sell-back 17 12 --wait 0",
            "fills",
            "stop 17",
            "end 17",
            "balance",
            "statement",
            "nodes",
        ],
    )
    def test_is_commanded_by_no_answer(
        self, words: str, as_json: bool, capsys: pytest.CaptureFixture[str]
    ) -> None:
        found = shown(capsys, Spoilt(), *(["--json"] if as_json else []), *words.split())
        assert found.strip()
        assert commands(found) == set()

    def test_is_commanded_by_no_change(self, capsys: pytest.CaptureFixture[str]) -> None:
        body = sample_component("AccountChange")
        Out(as_json=False).event({}, *told(Change(5, "change", spoilt(body))))
        found = capsys.readouterr().out
        assert [text.split()[0] for text in found.splitlines()] == ["5"] * 4
        assert commands(found) == set()

    def test_is_written_to_in_one_place(self) -> None:
        writers = {
            path.name
            for path in Path(client.__file__).parent.glob("*.py")
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call)
            and ast.unparse(node.func) in {"print", "sys.stdout.write", "sys.stderr.write"}
            and "output(" not in ast.unparse(node)  # a program's own output, as `market logs` filters it
        }
        assert writers == {"shown.py"}

    def test_is_commanded_by_no_refusal(self, capsys: pytest.CaptureFixture[str]) -> None:
        cli._fail(f"There is no {EVIL} [not\x1b_found]\nDo this.")
        said = capsys.readouterr().err
        assert commands(said) == set()
        assert said.count("\n") == 2


class TestLeases:
    @pytest.mark.parametrize(
        ("work", "told"),
        [
            ({"state": "running", "exit_code": None, "reason": ""}, "running"),
            ({"state": "exited", "exit_code": 3, "reason": ""}, "exited with 3"),
            ({"state": "failed", "exit_code": None, "reason": "No such file"}, "failed: No such file"),
            (None, "–"),
        ],
    )
    def test_show_their_work_and_why_they_are_over(
        self, work: dict[str, Any] | None, told: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        lease = {**sample_component("LeaseAnswer"), "state": "broken", "reason": "node_lost", "work": work}
        found = shown(capsys, Told(leases={"items": [lease], "next": None}), "leases", "--all")
        head, row = found.splitlines()
        assert row[head.index("work") :] == told
        assert row[head.index("why") :].split()[0] == "node_lost"


class TestTrading:
    def test_a_note_goes_to_the_market_and_is_shown(self, capsys: pytest.CaptureFixture[str]) -> None:
        placed = {**sample_component("DecidedOrder"), "client_note": "夜间 run"}
        market = Told(place_order=placed, orders={"items": [placed], "next": None})
        words = "buy h100 8 24 12 --wait 0 --note".split()
        assert "Your note: 夜间 run\n" in shown(capsys, market, *words, "夜间 run")
        assert market.asked[-1][2]["client_note"] == "夜间 run"
        assert shown(capsys, market, "orders").splitlines()[1].endswith("  夜间 run")

    def test_an_order_without_a_note_sends_and_shows_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        market = Told(place_order={**sample_component("DecidedOrder"), "client_note": ""})
        assert "note" not in shown(capsys, market, "buy", "h100", "8", "24", "12", "--wait", "0")
        assert "client_note" not in market.asked[-1][2]

    def test_fills_are_those_of_an_order(self, capsys: pytest.CaptureFixture[str]) -> None:
        market = Told()
        found = shown(capsys, market, "fills", "42")
        assert market.asked == [("GET", "fills", {"order": 42})]
        for text in ("42", "buy", "12.00", "2,306.30", "17"):
            assert text in found.splitlines()[1]

    def test_a_lease_is_sold_back_whole_or_in_part(self, capsys: pytest.CaptureFixture[str]) -> None:
        market = Told(sell_back={**sample_component("DecidedOrder"), "side": "sell", "lease": 17})
        assert "sold" in shown(capsys, market, "sell-back", "17", "12", "--id", "back", "--wait", "0")
        whole = {
            "client_order_id": "back",
            "limit_price": 12_000_000,
            "gpus": sample_component("LeaseAnswer")["gpus"],
        }
        assert market.asked[-1] == ("POST", "leases/17/sell-back", whole)
        shown(capsys, market, "sell-back", "17", "12", "--gpus", "2", "--id", "back", "--wait", "0")
        assert market.asked[-1] == ("POST", "leases/17/sell-back", {**whole, "gpus": 2})

    @pytest.mark.parametrize(("asks", "price"), [([[12_000_000, 4], [12_060_000, 4]], "12.06"), ([], None)])
    def test_a_quote_says_what_now_costs(
        self, asks: list[list[int]], price: str | None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        found = shown(
            capsys, Told(book={**sample_component("BookAnswer"), "asks": asks}), "quote", "8", "24", "h100"
        )
        now = [text for text in found.splitlines() if text.endswith("--start now")]
        product = sample_component("QuoteAnswer")["product"]
        assert now == ([f"market buy {product} 8 24 {price} --start now"] if price else [])
        for text in now:  # the line that is printed is one that the grammar takes
            args = cli.parser().parse_args(text.split()[1:])
            assert (args.start, args.price, args.call) == ("now", 12_060_000, orders.buy)
