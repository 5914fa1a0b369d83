"""What the command line prints commands no terminal, whoever chose the words; and what its verbs show."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import bazaar_client as client
from bazaar_client import cli, verbs
from bazaar_client.changes import Change
from bazaar_client.market import Market
from bazaar_client.shown import Out
from bazaar_client.watching import told
from compute_market.api import examples

EVIL = "\x1b[2J\u202e\x07"
SPOILT_NOT = re.compile(r"\d{4}-\d\d-\d\dT")
BOOK = {
    "product": "h100",
    "start": examples.NOON,
    "end": examples.NEXT_NOON,
    "asks": [[12_060_000, 8]],
    "bids": [[11_940_000, 8]],
}
WHY = {"order": 42, "state": "open", "reason": "why", "misses": [{"text": "8 GPUs for more."}]}
ADDRESSES = {
    r"GET tickers": "tickers",
    r"GET products": "products",
    r"GET quote": "quote",
    r"GET orders": "orders",
    r"GET orders/\d+": "order",
    r"POST orders": "place_order",
    r"PATCH orders/\d+": "amend_order",
    r"DELETE orders/\d+": "cancel_order",
    r"GET leases": "leases",
    r"GET leases/\d+": "lease",
    r"GET leases/\d+/logs": "lease_logs",
    r"GET leases/\d+/ports": "lease_ports",
    r"POST leases/\d+/ports/\w+/links": "link_port",
    r"POST leases/\d+/work": "run_work",
    r"DELETE leases/\d+/work": "stop_work",
    r"POST leases/\d+/end": "end_lease",
    r"POST leases/\d+/sell-back": "sell_back",
    r"GET fills": "fills",
    r"GET balance": "balance",
    r"GET statement": "statement",
    r"GET nodes": "nodes",
}


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


class Told(Market):
    """A market that answers as the description shows, on one page; `asked` is what it was asked."""

    def __init__(self, *, is_spoilt: bool = False, **changes: Any) -> None:
        super().__init__("http://127.0.0.1:9", "token")
        self.is_spoilt, self.changes, self.asked = is_spoilt, changes, list[tuple[str, str, Any]]()

    def call(
        self, method: str, path: str, *, body: Any = None, query: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        self.asked.append((method, path, body or query))
        known = {"book": BOOK, "explain": WHY, **examples.ANSWERS, **self.changes}
        name = path.rpartition("/")[2]
        if name not in {"book", "explain"}:
            name = next(to for at, to in ADDRESSES.items() if re.fullmatch(at, f"{method} {path}"))
        answer = {**known[name], **({"next": None} if "items" in known[name] else {})}
        return dict(spoilt(answer)) if self.is_spoilt else answer


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
        found = shown(capsys, Told(is_spoilt=True), *(["--json"] if as_json else []), *words.split())
        assert found.strip()
        assert commands(found) == set()

    def test_is_commanded_by_no_change(self, capsys: pytest.CaptureFixture[str]) -> None:
        body = {"at": examples.NOON, "orders": [examples.ORDER], "fills": [examples.FILL]}
        body |= {"leases": [examples.LEASE | {"reason": "node"}], "balances": [examples.BALANCE]}
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
        lease = {**examples.LEASE, "state": "broken", "reason": "node_lost", "work": work}
        found = shown(capsys, Told(leases={"items": [lease]}), "leases", "--all")
        head, row = found.splitlines()
        assert row[head.index("work") :] == told
        assert row[head.index("why") :].split()[0] == "node_lost"


class TestTrading:
    def test_fills_are_those_of_an_order(self, capsys: pytest.CaptureFixture[str]) -> None:
        market = Told()
        found = shown(capsys, market, "fills", "42")
        assert market.asked == [("GET", "fills", {"order": 42})]
        for text in ("42", "buy", "12.00", "2,306.30", "17"):
            assert text in found.splitlines()[1]

    def test_a_lease_is_sold_back_whole_or_in_part(self, capsys: pytest.CaptureFixture[str]) -> None:
        market = Told()
        assert "sold" in shown(capsys, market, "sell-back", "17", "12", "--id", "back", "--wait", "0")
        whole = {"client_order_id": "back", "limit_price": 12_000_000, "gpus": examples.LEASE["gpus"]}
        assert market.asked[-1] == ("POST", "leases/17/sell-back", whole)
        shown(capsys, market, "sell-back", "17", "12", "--gpus", "2", "--id", "back", "--wait", "0")
        assert market.asked[-1] == ("POST", "leases/17/sell-back", {**whole, "gpus": 2})

    @pytest.mark.parametrize(("asks", "price"), [([[12_000_000, 4], [12_060_000, 4]], "12.06"), ([], None)])
    def test_a_quote_says_what_now_costs(
        self, asks: list[list[int]], price: str | None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        found = shown(capsys, Told(book={**BOOK, "asks": asks}), "quote", "8", "24", "h100")
        now = [text for text in found.splitlines() if text.endswith("--start now")]
        product = examples.QUOTE["product"]
        assert now == ([f"market buy {product} 8 24 {price} --start now"] if price else [])
        for text in now:  # the line that is printed is one that the grammar takes
            args = cli.parser().parse_args(text.split()[1:])
            assert (args.start, args.price, args.call) == ("now", 12_060_000, verbs.buy)
