"""The grammar of the command line, and how it ends."""

from __future__ import annotations

import argparse
import os
import re
import sys
import urllib.error
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from bazaar_client import accounts, leases, orders, prices, watching, ways
from bazaar_client.amounts import MICROS_PER_CREDIT
from bazaar_client.market import Market, MarketError
from bazaar_client.shown import Out, line, progress

WAIT_SECONDS = 10.0
EXAMPLES = """examples:
  market gpus                                     what is offered, at what price
  market quote 8 24 h100                          the cheapest 24 hours of 8 GPUs this week
  market buy h100-sxm-80g.cn-east.reserved.ib 8 24 12.60 --start +3h
  market explain 42                               why has order 42 not filled?
  market run 17 python train.py                   in lease 17; then: market logs 17 --follow

  market run 17 --serve 8888=notebook jupyter lab --port 8888
  market forward 17 8888                          the port on this machine; market ssh 17 for a shell

Prices are credits per GPU-hour. The hub is BAZAAR_URL, the token (scope `trade`) BAZAAR_TOKEN."""


AHEAD = re.compile(r"\+(\d{1,4})([hd])")
UNITS = {"h": "hours", "d": "days"}
DAY = re.compile(r"(today|tomorrow)(?:[ T](\d{1,2}):00)?")


def micros(text: str) -> int:
    """Credits as people write them, in micro-credits."""
    try:
        amount = Decimal(text) * MICROS_PER_CREDIT
        is_whole = amount == int(amount)
    except (InvalidOperation, ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text} is no amount") from None
    if amount <= 0 or not is_whole:
        raise argparse.ArgumentTypeError("a positive amount, with at most six decimals")
    return int(amount)


def count(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1")
    return int(text)


def place(text: str) -> int:
    """The number of a change; 0: the first is still to come."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is no number of a change")
    return int(text)


def hour(text: str) -> datetime:
    """An ISO time, or `+3h`: the third full hour from now."""
    full = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    if ahead := AHEAD.fullmatch(text):
        return full + timedelta(**{UNITS[ahead[2]]: int(ahead[1])})
    if (day := DAY.fullmatch(text.lower())) and int(day[2] or 0) < 24:
        return full.replace(hour=int(day[2] or 0)) + timedelta(days=day[1] == "tomorrow")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            "a time such as 2026-07-01T12:00Z, +3h, +2d, today 18:00, tomorrow 09:00 (UTC, full hours)"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def start(text: str) -> datetime | str:
    """As `hour`, or the word `now`."""
    return "now" if text == "now" else hour(text)


Verb = Callable[[str, Callable[..., None], str], argparse.ArgumentParser]

PRODUCT_HELP = "name of a product, such as h100-sxm-80g.cn-east.reserved.ib: market gpus"
ORDER_HELP = "number of an order: market orders"
LEASE_HELP = "number of a lease: market leases"


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = argparse.ArgumentParser(
        prog="market",
        description="Trade GPU time.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument(
        "--url",
        default=os.environ.get("BAZAAR_URL", "http://127.0.0.1:8000"),
        help="address of the hub; left out: BAZAAR_URL, or http://127.0.0.1:8000",
    )
    top.add_argument(
        "--token",
        default=os.environ.get("BAZAAR_TOKEN") or os.environ.get("HF_TOKEN", ""),
        help="access token with the scope trade; left out: BAZAAR_TOKEN, or HF_TOKEN",
    )
    top.add_argument("--json", action="store_true", help="print the answer of the market as JSON")
    verbs = top.add_subparsers(metavar="VERB")

    def verb(name: str, call: Callable[..., None], text: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=text, description=text)
        made.set_defaults(call=call)
        # People also write it behind the verb. Left out there, the option before the verb counts.
        made.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        return made

    _looking(verb)
    _orders(verb)
    _leases(verb)
    one = verb("balance", accounts.balance, "Your money.")
    one.add_argument("account", nargs="?", default="", help="a namespace; left out: your own")
    one = verb("statement", accounts.statement, "The movements of your account, newest first.")
    one.add_argument("account", nargs="?", default="", help="a namespace; left out: your own")
    one = verb("watch", watching.watch, "Your orders, fills, leases and balances as they change.")
    one.add_argument("account", nargs="?", default="", help="a namespace; left out: your own")
    one.add_argument("--after", type=place, help="continue after the change with this number")
    verb("nodes", accounts.nodes, "Your machines, if you provide any.")
    return top


def _looking(verb: Verb) -> None:
    one = verb("gpus", prices.gpus, "The traded products and their prices.")
    one.add_argument("spec", nargs="?", default="", help="such as h100,a100:80GB..:8")
    one.add_argument("--all", action="store_true", help="also products without offers and bids")
    one = verb("book", prices.book, "The resting orders of a product over some hours.")
    one.add_argument("product", help=PRODUCT_HELP)
    one.add_argument("--start", type=hour, help="an ISO time or +3h; left out: the next full hour")
    one.add_argument("--hours", type=count, help="how long; left out: one")
    one = verb("quote", prices.quote, "The cheapest way to get GPUs for some hours. Nothing is reserved.")
    one.add_argument("gpus", type=count, help="the number of GPUs")
    one.add_argument("hours", type=count, help="the number of hours")
    one.add_argument("spec", nargs="?", default="", help="such as h100,a100:80GB..")
    one.add_argument("--days", type=count, default=7, help="start within so many days")


def _orders(verb: Verb) -> None:
    for name, call, limit in (("buy", orders.buy, "at most"), ("sell", orders.sell, "at least")):
        one = verb(name, call, f"{name.capitalize()} GPU time.")
        one.add_argument("product", help=PRODUCT_HELP)
        one.add_argument("gpus", type=count, help="the number of GPUs")
        one.add_argument("hours", type=count, help="the number of hours")
        help_text = f"credits per GPU-hour, {limit}"
        if name == "buy":
            one.add_argument("price", type=micros, nargs="?", help=f"{help_text}; or give --max-total")
            one.add_argument("--max-total", type=micros, help="credits in all, with the fee, at most")
        else:
            one.add_argument("price", type=micros, help=help_text)
        one.add_argument("--start", type=start, help="an ISO time, +3h, or now; left out: the next full hour")
        one.add_argument(
            "--time-in-force",
            choices=["gtc", "ioc", "fok"],
            default="gtc",
            help="gtc: the order rests until it fills or expires; ioc: it trades at once and the rest is "
            "cancelled; fok: it trades at once in full or not at all",
        )
        one.add_argument("--until", type=hour, help="the order expires then: an ISO time or +3h")
        one.add_argument(
            "--post-only", action="store_true", help="refuse the order if it would trade at once"
        )
        one.add_argument(
            "--self-trade",
            choices=["cancel_newest", "cancel_oldest", "cancel_both"],
            default="cancel_newest",
            help="which order is cancelled if it would trade with your own order",
        )
        one.add_argument("--id", default="", help="your own order id: repeating it places the order once")
        one.add_argument("--note", default="", help="your own remark, shown on the order")
        _with_wait(one)
        if name == "sell":
            source = one.add_mutually_exclusive_group(required=True)
            source.add_argument("--node", type=count, help="one of your machines: market nodes")
            source.add_argument("--lease", type=count, help="a lease to sell back: market leases")
        else:
            where = one.add_mutually_exclusive_group()
            where.add_argument(
                "--same-node",
                action=argparse.BooleanOptionalAction,
                help="all GPUs from one machine, or from several; left out: from one if they fit on one",
            )
            where.add_argument(
                "--extends", type=count, metavar="LEASE", help="continue a lease from its end, on its machine"
            )
    one = verb("orders", orders.orders, "Your orders.")
    one.add_argument("--all", action="store_true", help="also finished ones")
    one = verb("amend", orders.amend, "Change an order's price or total of GPUs.")
    one.add_argument("order", type=count, help=ORDER_HELP)
    one.add_argument("--price", type=micros, help="credits per GPU-hour")
    one.add_argument("--gpus", type=count, help="the total, including filled GPUs")
    _with_wait(one)
    one = verb("cancel", orders.cancel, "Cancel the open rest of an order, or of all orders.")
    which = one.add_mutually_exclusive_group(required=True)
    which.add_argument("order", type=count, nargs="?", help=ORDER_HELP)
    which.add_argument("--all", action="store_true", help="all live orders")
    one.add_argument("--product", default="", help="with --all: only those on this product")
    _with_wait(one)
    one = verb("explain", orders.explain, "Explain why an order has not filled.")
    one.add_argument("order", type=count, help=ORDER_HELP)


def _leases(verb: Verb) -> None:
    one = verb("leases", leases.leases, "Your leases.")
    one.add_argument("--all", action="store_true", help="also finished ones")
    one = verb("run", leases.run, "Run a program in a lease.")
    one.add_argument("--image", default="", help="the container image, if the node runs containers")
    one.add_argument(
        "--serve",
        action="append",
        default=[],
        type=ways.served,
        metavar="PORT[=NAME]",
        help="a port to reach from outside, or a socket in its folder; may be repeated",
    )
    one.add_argument("lease", type=count, help=LEASE_HELP)
    program_help = "the program and its arguments: python3 train.py --epochs 3"
    one.add_argument("words", nargs=argparse.REMAINDER, metavar="PROGRAM …", help=program_help)
    one = verb("logs", leases.logs, "The output of a lease's program.")
    one.add_argument("lease", type=count, help=LEASE_HELP)
    one.add_argument(
        "--follow", "-f", action="store_true", help="wait for more output until the program ends"
    )
    one = verb("ports", ways.ports, "The ports of a lease and their addresses.")
    one.add_argument("lease", type=count, help=LEASE_HELP)
    one = verb("link", ways.link, "Make a link to a lease's port; everybody who has the link can open it.")
    one.add_argument("lease", type=count, help=LEASE_HELP)
    one.add_argument("port", help="number or name of the port")
    one.add_argument("--hours", type=count, default=1, help="how long the link works; left out: one hour")
    one = verb("forward", ways.forward, "Make a lease's port available on this machine.")
    one.add_argument("lease", type=count, help=LEASE_HELP)
    one.add_argument("port", help="number or name of the port")
    one.add_argument(
        "--local", type=int, help="the port on this machine; left out: the same number, or a free one"
    )
    one = verb("ssh", ways.shell, "Run a shell or a command in a lease, by OpenSSH.")
    one.add_argument("lease", type=count, help=LEASE_HELP)
    command_help = "left out: a shell; options of ssh come first and end with --: -t -- htop"
    one.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND …", help=command_help)
    one = verb("cp", ways.copy, "Copy files: market cp 17:results/ . and market cp data.bin 17:")
    one.add_argument("--recursive", "-r", action="store_true", help="copy folders with what they hold")
    one.add_argument("sources", nargs="+", metavar="FROM", help="files: PATH here, LEASE:PATH in a lease")
    one.add_argument("target", metavar="TO", help="a file or folder: PATH here, LEASE:PATH in a lease")
    one = verb("sell-back", orders.sell_back, "Offer the rest of a lease on the market.")
    one.add_argument("lease", type=count, help=LEASE_HELP)
    one.add_argument("price", type=micros, help="credits per GPU-hour, at least")
    one.add_argument("--gpus", type=count, help="how many; left out: all of the lease's")
    one.add_argument("--id", default="", help="your own order id: repeating it places the order once")
    _with_wait(one)
    one = verb("fills", orders.fills, "The fills of your orders: price, fee and lease.")
    one.add_argument("order", type=count, nargs="?", help="only fills of this order")
    one = verb("stop", leases.stop, "Stop the program in a lease.")
    one.add_argument("lease", type=count, help=LEASE_HELP)
    one = verb("end", leases.end, "End a lease now.")
    one.add_argument("lease", type=count, help=LEASE_HELP)


def _with_wait(one: argparse.ArgumentParser) -> None:
    one.add_argument("--wait", type=float, default=WAIT_SECONDS, help="seconds to wait for the outcome")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb. Returns 0 on success, 1 if the market refused, 2 if the arguments are wrong."""
    top = parser()
    args = top.parse_args(argv)
    if "call" not in args:
        top.print_help(sys.stderr)
        return 2
    try:
        args.call(Market(args.url, args.token), Out(as_json=args.json), args)
    except leases.WorkEnded as ended:
        progress("")
        line(f"market: {ended}", is_aside=True)
        return ended.code
    except MarketError as error:
        return _fail(f"{error}{f' [{error.code}]' if error.code else ''}{_advice(error, args.token)}")
    except urllib.error.URLError as error:
        return _fail(f"{args.url} cannot be reached: {error.reason}. Is BAZAAR_URL right?")
    except (OSError, ValueError) as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        progress("")
        return 130
    return 0


def _advice(error: MarketError, token: str) -> str:
    """Advice about a refusal."""
    if error.status == 401:
        return (
            ""
            if token
            else "\nSet BAZAAR_TOKEN to an access token with the scope `trade` (/settings/tokens)."
        )
    return {
        "scope_missing": "\nThe token needs the scope `trade`.",
        "work_not_found": "\nNothing runs in it. Start something first, as: market run LEASE sleep infinity",
    }.get(error.code, "")


def _fail(text: str) -> int:
    progress("")
    for part in f"market: {text}".split("\n"):
        line(part, is_aside=True)
    return 1
