"""The command line: what it reads, what it shows, and what it lets through to a terminal."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bazaar_client import accounts, cli, leases, orders, prices
from bazaar_client.market import pause_seconds
from bazaar_client.shown import Column, Out, number, output, plain
from tests.clock import begun_at


class Answers:
    """A market that returns the given answers."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.asked = answers, []  # type: dict[str, Any], list[Any]

    def logs(self, lease_id: int, after: int = 0) -> dict[str, Any]:
        return {"text": "done\n" if not after else "", "next": 5, "work": self.answers["work"]}

    def run(self, lease_id: int, command: list[str], **options: Any) -> dict[str, Any]:
        self.asked.append((lease_id, command, options))
        return {"runner": "podman", "command": command}

    def nodes(self) -> list[dict[str, Any]]:
        return list(self.answers["nodes"])

    def products(self) -> list[dict[str, Any]]:
        return [{"product": name} for name in self.answers["products"]]


class TestTerminal:
    @pytest.mark.parametrize(
        "text", ["\x1b[2J", "a\nb", "\u202egnp.exe", "\x9b31m", "\u2066x", "\u2028", "\r"]
    )
    def test_names_of_others_command_nothing(self, text: str, capsys: pytest.CaptureFixture[str]) -> None:
        Out(as_json=False).rows([{"node": text}], [Column("node", "node")], empty="")
        shown = capsys.readouterr().out.removeprefix("node").strip("\n ")
        assert shown == plain(text)
        assert not set("\x1b\n\r\u202e\x9b\u2066\u2028") & set(shown)

    def test_output_keeps_its_lines(self) -> None:
        assert output("a\tb\r\n\x1b[31mc\n") == "a\tb\n\N{REPLACEMENT CHARACTER}[31mc\n"

    @pytest.mark.parametrize(
        ("value", "shown"), [(1_234_567, "1234567"), (10**12, str(10**12)), (0.5, "0.50")]
    )
    def test_ids_are_in_full(self, value: float, shown: str) -> None:
        assert number(value) == shown


class TestPauses:
    @pytest.mark.parametrize(
        ("said", "seconds"),
        [
            *(("3", 3), ("0", 0), ("999999999", 30), ("9" * 5000, 0.4), (None, 0.4), ("", 0.4), ("-1", 0.4)),
            *(("nan", 0.4), ("inf", 0.4), ("1e9", 0.4), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.4), ("٣", 0.4)),
        ],
    )
    def test_are_what_the_market_says_within_reason(self, said: str | None, seconds: float) -> None:
        assert pause_seconds(said, 1) == seconds


class TestTimes:
    def test_are_written_as_people_do(self) -> None:
        with begun_at(datetime(2026, 7, 1, 12, 20, tzinfo=UTC)):
            found = {text: cli.hour(text) for text in ("+6h", "+2d", "today", "tomorrow 09:00", "tomorrow")}
        assert found == {
            "+6h": datetime(2026, 7, 1, 18, tzinfo=UTC),
            "+2d": datetime(2026, 7, 3, 12, tzinfo=UTC),
            "today": datetime(2026, 7, 1, tzinfo=UTC),
            "tomorrow 09:00": datetime(2026, 7, 2, 9, tzinfo=UTC),
            "tomorrow": datetime(2026, 7, 2, tzinfo=UTC),
        }

    @pytest.mark.parametrize("text", ["tomorrow 25:00", "tomorrow 09:30", "+h", "soon", "+3w"])
    def test_that_are_none_are_refused(self, text: str) -> None:
        with pytest.raises(argparse.ArgumentTypeError):
            cli.hour(text)


class TestEndOfWork:
    @pytest.mark.parametrize(
        ("work", "code"),
        [
            ({"state": "exited", "exit_code": 3, "reason": ""}, 3),
            ({"state": "exited", "exit_code": -9, "reason": ""}, 137),
            ({"state": "failed", "exit_code": None, "reason": "No such file"}, 1),
            ({"state": "stopped", "exit_code": None, "reason": "the lease ended"}, 1),
        ],
    )
    def test_is_what_following_its_output_ends_with(self, work: dict[str, Any], code: int) -> None:
        with pytest.raises(leases.WorkEnded) as ended:
            leases.logs(Answers(work=work), Out(as_json=False), argparse.Namespace(lease=1, follow=True))
        assert ended.value.code == code
        assert work["reason"] in str(ended.value)

    def test_well_ends_well(self, capsys: pytest.CaptureFixture[str]) -> None:
        work = {"state": "exited", "exit_code": 0, "reason": ""}
        leases.logs(Answers(work=work), Out(as_json=False), argparse.Namespace(lease=1, follow=True))
        assert capsys.readouterr().out == "done\n"


class TestWords:
    def test_options_after_the_lease_are_the_verbs(self) -> None:
        args = cli.parser().parse_args(["run", "17", "--image", "debian", "--", "prog", "--image", "x"])
        market = Answers()
        args.call(market, Out(as_json=True), args)
        assert market.asked == [(17, ["prog", "--image", "x"], {"image": "debian"})]

    @pytest.mark.parametrize(
        "words",
        [
            ["--serve", "8888=web", "17"],
            ["17", "--serve", "8888=web"],
            ["17", "--serve=8888=web"],
            ["17", "--serve=8888=web", "--"],
        ],
    )
    def test_options_of_run_are_taken_wherever_people_write_them(self, words: list[str]) -> None:
        market = Answers()
        args = cli.parser().parse_args(["run", *words, "prog", "--serve=x"])
        args.call(market, Out(as_json=True), args)
        assert market.asked == [(17, ["prog", "--serve=x"], {"serves": [{"port": 8888, "name": "web"}]})]

    @pytest.mark.parametrize(
        ("state", "is_stale", "shown"),
        [
            ("ready", True, "silent"),
            ("ready", False, "ready"),
            ("retired", True, "retired"),
            ("suspended", True, "suspended"),
        ],
    )
    def test_a_node_is_silent_only_where_it_could_trade(
        self, state: str, is_stale: bool, shown: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        row = {"id": 1, "name": "rack", "state": state, "is_stale": is_stale}
        row |= {"product": "p", "gpus": 1, "reason": "", "last_heartbeat_at": None}
        accounts.nodes(Answers(nodes=[row]), Out(as_json=False), argparse.Namespace())
        assert f" {shown} " in capsys.readouterr().out

    def test_near_names_are_named(self) -> None:
        market = Answers(products=["rtx4090-pcie-24g.cn-east.spot.eth", "h100-sxm-80g.cn-east.reserved.ib"])
        assert "rtx4090" in prices.near_names(market, "4090")
        assert "h100-sxm" in prices.near_names(market, "h100-smx-80g.cn-east.reserved.ib")
        assert prices.near_names(market, "zzz") == ""

    def test_a_total_bounds_the_price_with_the_fee(self) -> None:
        start = datetime(2026, 7, 1, tzinfo=UTC)
        order = {"gpus": 8, "end": start + timedelta(hours=24), "limit_price": None}
        price = orders._within(250_000_000, order, start=start)
        cost = 8 * 24 * price
        assert cost + cost // 1000 <= 250_000_000 < 8 * 24 * (price + 60_000) * 1001 // 1000
        with pytest.raises(ValueError, match="So small"):
            orders._within(10, order, start=start)


def parsers(top: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The command and each of its verbs, by name."""
    found = {top.prog: top}
    for action in top._actions:  # argparse has no public list of arguments
        if isinstance(action, argparse._SubParsersAction):
            found |= action.choices
    return found


class TestHelp:
    def test_says_what_each_argument_is(self) -> None:
        every = parsers(cli.parser())
        assert len(every) > 20
        silent = [
            f"{name} {action.option_strings or action.dest}"
            for name, parser in every.items()
            for action in parser._actions
            if not action.help and not isinstance(action, argparse._SubParsersAction)
        ]
        assert silent == []
