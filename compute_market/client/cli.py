"""The verbs: `gpus`, `quote`, `buy`, `sell`, `orders`, `leases`, `run`, `logs`, `balance` and the rest."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any

from compute_market.client.market import Market, MarketError

MICROS = 1_000_000
ROWS_MAX = 50
FOLLOW_SECONDS = 1.0


def micros(text: str) -> int:
    """Credits as people write them, in micro-credits."""
    try:
        amount = Decimal(text) * MICROS
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text} is no amount") from None
    if amount <= 0 or amount != int(amount):
        raise argparse.ArgumentTypeError("a positive amount, with at most six decimals")
    return int(amount)


def credits_of(amount: int | None) -> str:
    return "–" if amount is None else f"{amount / MICROS:,.2f}"


def hour(text: str) -> datetime:
    """An ISO time, or `+3h`: the third full hour from now."""
    if text.startswith("+") and text.endswith("h") and text[1:-1].isdecimal():
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        return now + timedelta(hours=int(text[1:-1]))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("an ISO time, or +3h for the third full hour from now") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Out:
    """Prints rows as a table for people, or as JSON for programs."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def rows(
        self, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, Callable[[Any], str] | None]
    ) -> None:
        """A table of some columns; with --json every field of every row."""
        found = list(rows)
        if self.as_json:
            print(json.dumps(found, indent=2))
            return
        if not found:
            print("(none)")
            return
        cells = [[title.replace("_micros", "").replace("_", " ") for title in columns]]
        cells += [
            [(show or str)(row[name]) if row.get(name) is not None else "–" for name, show in columns.items()]
            for row in found
        ]
        widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
        for line in cells:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())

    def say(self, row: Mapping[str, Any], text: str) -> None:
        print(json.dumps(row, indent=2) if self.as_json else text)


def progress(text: str) -> None:
    """A line about what is being waited for, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def gpus(market: Market, out: Out, args: argparse.Namespace) -> None:
    rows = []
    for product in market.products(**({"spec": args.spec} if args.spec else {})):
        seen = market.ticker(product["product"])
        if args.all or seen["best_ask_micros"] is not None or seen["best_bid_micros"] is not None:
            rows.append({**product, **seen})
    shown = {
        "product": None,
        "memory_gb": None,
        "last_micros": credits_of,
        "best_bid_micros": credits_of,
        "best_ask_micros": credits_of,
        "state": None,
    }
    out.rows(rows, shown)


def quote(market: Market, out: Out, args: argparse.Namespace) -> None:
    query = {"spec": args.spec} if args.spec else {}
    found = market.quote(gpus=args.gpus, hours=args.hours, within_days=args.days, **query)
    shown = {
        "product": None,
        "gpus": None,
        "start": None,
        "limit_micros_per_gpu_hour": credits_of,
        "fee_micros": credits_of,
        "total_micros": credits_of,
    }
    out.rows(found, shown)


def _place(market: Market, out: Out, args: argparse.Namespace, side: str) -> None:
    start = args.start or datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    order: dict[str, Any] = {
        "side": side,
        "product": args.product,
        "gpus": args.gpus,
        "start": start,
        "end": start + timedelta(hours=args.hours),
        "limit_price": args.price,
        "time_in_force": args.time_in_force,
    }
    if args.id:
        order["client_order_id"] = args.id
    if side == "sell":
        order["node" if args.node else "lease"] = args.node or args.lease
    progress("waiting for the outcome …")
    placed = market.place(wait=args.wait, **order)
    progress("")
    text = (
        f"order {placed['id']}: {placed['state']}, {placed['filled_gpus']:g} of {placed['gpus']} GPUs at"
        f" {credits_of(placed['limit_price'])}; hold {credits_of(placed['hold_micros'])},"
        f" worst case {credits_of(placed['worst_case_total_micros'])}"
    )
    out.say(placed, text + (f" ({placed['reason']})" if placed["reason"] else ""))


def buy(market: Market, out: Out, args: argparse.Namespace) -> None:
    _place(market, out, args, "buy")


def sell(market: Market, out: Out, args: argparse.Namespace) -> None:
    _place(market, out, args, "sell")


def orders(market: Market, out: Out, args: argparse.Namespace) -> None:
    rows = islice(market.orders(**({} if args.all else {"state": "live"})), ROWS_MAX)
    shown = {
        "id": None,
        "side": None,
        "product": None,
        "gpus": None,
        "filled_gpus": None,
        "limit_price": credits_of,
        "start": None,
        "end": None,
        "state": None,
    }
    out.rows(rows, shown)


def cancel(market: Market, out: Out, args: argparse.Namespace) -> None:
    row = market.cancel(args.order)
    out.say(row, f"order {row['id']} is being cancelled")


def explain(market: Market, out: Out, args: argparse.Namespace) -> None:
    row = market.explain(args.order)
    misses = "; ".join(miss["text"] for miss in row["misses"]) or "nothing comes near"
    out.say(row, f"order {row['order']} is {row['state']}: {misses}")


def leases(market: Market, out: Out, args: argparse.Namespace) -> None:
    rows = islice(market.leases(**({} if args.all else {"state": "live"})), ROWS_MAX)
    shown = {
        "id": None,
        "product": None,
        "node": None,
        "gpus": None,
        "start": None,
        "end": None,
        "used_micros": credits_of,
        "state": None,
    }
    out.rows(rows, shown)


def run(market: Market, out: Out, args: argparse.Namespace) -> None:
    row = market.run(args.lease, args.words)
    out.say(row, f"queued on {row['runner']}: {' '.join(row['command'])}")


def logs(market: Market, out: Out, args: argparse.Namespace) -> None:
    after = 0
    while True:
        page = market.logs(args.lease, after)
        if out.as_json:
            print(json.dumps(page, indent=2))
            return
        sys.stdout.write(page["text"])
        sys.stdout.flush()
        ended = page["work"]["state"] in {"exited", "failed", "stopped"}
        if page["next"] == after and (ended or not args.follow):
            return
        if page["next"] == after:
            time.sleep(FOLLOW_SECONDS)
        after = page["next"]


def end(market: Market, out: Out, args: argparse.Namespace) -> None:
    row = market.end(args.lease)
    out.say(row, f"lease {row['id']} ends {row['end']}; what was not used is paid back")


def balance(market: Market, out: Out, args: argparse.Namespace) -> None:
    shown = dict.fromkeys(("balance_micros", "held_micros", "available_micros"), credits_of)
    out.rows(market.balance(args.account), {"kind": None, **shown})


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = argparse.ArgumentParser(prog="market", description="Trade GPU time.")
    top.add_argument("--url", default=os.environ.get("BAZAAR_URL", "http://127.0.0.1:8000"))
    top.add_argument("--token", default=os.environ.get("BAZAAR_TOKEN") or os.environ.get("HF_TOKEN", ""))
    top.add_argument("--json", action="store_true", help="print what the market answered")
    verbs = top.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, call: Callable[..., None], text: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=text, description=text)
        made.set_defaults(call=call)
        return made

    one = verb("gpus", gpus, "What is traded, and at what price.")
    one.add_argument("spec", nargs="?", default="", help="as h100,a100:80GB..:8")
    one.add_argument("--all", action="store_true", help="also what nobody offers or wants")
    one = verb("quote", quote, "The cheapest way to get GPUs for some hours. Nothing is reserved.")
    one.add_argument("gpus", type=int)
    one.add_argument("hours", type=int)
    one.add_argument("spec", nargs="?", default="")
    one.add_argument("--days", type=int, default=7, help="start within so many days")
    for name, call in (("buy", buy), ("sell", sell)):
        one = verb(name, call, f"{name.capitalize()} GPU time.")
        one.add_argument("product")
        one.add_argument("gpus", type=int)
        one.add_argument("hours", type=int)
        one.add_argument("price", type=micros, help="credits per GPU-hour, at most (at least)")
        one.add_argument("--start", type=hour, help="an ISO time or +3h; left out: the next full hour")
        one.add_argument("--time-in-force", choices=["gtc", "ioc", "fok"], default="gtc")
        one.add_argument("--wait", type=float, default=10, help="seconds to wait for the outcome")
        one.add_argument("--id", default="", help="your own order id: repeating it places the order once")
        if name == "sell":
            source = one.add_mutually_exclusive_group(required=True)
            source.add_argument("--node", type=int)
            source.add_argument("--lease", type=int)
    for name, call, text in (("orders", orders, "Your orders."), ("leases", leases, "Your leases.")):
        verb(name, call, text).add_argument("--all", action="store_true", help="also finished ones")
    verb("cancel", cancel, "Cancel an order.").add_argument("order", type=int)
    verb("explain", explain, "Why an order has not filled.").add_argument("order", type=int)
    one = verb("run", run, "Run a program in a lease.")
    one.add_argument("lease", type=int)
    one.add_argument("words", nargs=argparse.REMAINDER, metavar="PROGRAM …")
    one = verb("logs", logs, "What a lease's program printed.")
    one.add_argument("lease", type=int)
    one.add_argument("--follow", "-f", action="store_true")
    verb("end", end, "End a lease now.").add_argument("lease", type=int)
    verb("balance", balance, "Your money.").add_argument("account", nargs="?", default="")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; 0 when it worked, 1 when the market said no, 2 when the words are off."""
    args = parser().parse_args(argv)
    try:
        args.call(Market(args.url, args.token), Out(as_json=args.json), args)
    except MarketError as error:
        print(f"market: {error}" + (f" [{error.code}]" if error.code else ""), file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"market: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
