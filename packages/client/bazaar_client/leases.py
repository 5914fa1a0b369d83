"""The verbs that show leases, run programs in them, and end them."""

from __future__ import annotations

import argparse
import sys
import time
from itertools import islice
from typing import Any

from bazaar_client import ways
from bazaar_client.amounts import credits_of
from bazaar_client.market import Market
from bazaar_client.shown import ROWS_MAX, Column, Out, line, moment, number, output, plain

FOLLOW_SECONDS = 1.0
WORK_OVER = {"exited", "failed", "stopped"}


def leases(market: Market, out: Out, args: argparse.Namespace) -> None:
    rows = islice(market.leases(**({} if args.all else {"state": "live"})), ROWS_MAX)
    columns = [
        Column("lease", "id", number),
        Column("product", "product"),
        Column("node", "node"),
        Column("GPUs", "gpus", number),
        Column("from (UTC)", "start", moment),
        Column("to", "end", moment),
        Column("price", "price_micros_per_gpu_hour", credits_of),
        Column("used", "used_micros", credits_of),
        Column("state", "state"),
        Column("why", "reason"),
        Column("work", "work", _end_of),
    ]
    out.rows(rows, columns, empty="No leases." if args.all else "No live leases; --all lists finished ones.")


def run(market: Market, out: Out, args: argparse.Namespace) -> None:
    _take_options(args)
    options: dict[str, Any] = {"image": args.image} if args.image else {}
    if args.serve:
        options["serves"] = args.serve
    row = market.run(args.lease, args.words, **options)
    where = f"Queued on {row['runner']}: {' '.join(row['command'])}"
    out.say(row, where, f"Its output: market logs {args.lease} --follow")


def _take_options(args: argparse.Namespace) -> None:
    """Options that stand after the lease are the verb's own, up to the program's first word or `--`."""
    while args.words:
        option, equals, value = args.words[0].partition("=")
        if option not in {"--image", "--serve", "--"} or (option == "--" and equals):
            return
        args.words.pop(0)
        if option == "--":
            return
        if not equals:
            if not args.words:
                raise ValueError(f"{option} needs a value.")
            value = args.words.pop(0)
        if option == "--image":
            args.image = value
        else:
            args.serve = [*args.serve, ways.served(value)]


def logs(market: Market, out: Out, args: argparse.Namespace) -> None:
    after = 0
    while True:
        page = market.logs(args.lease, after)
        if out.as_json:
            out.say(page)
            return
        sys.stdout.write(output(page["text"]) if sys.stdout.isatty() else page["text"])
        sys.stdout.flush()
        if page["next"] == after:
            if page["work"]["state"] in WORK_OVER or not args.follow:
                _say_end(page["work"], is_followed=args.follow)
                return
            time.sleep(FOLLOW_SECONDS)
        after = page["next"]


class WorkEnded(Exception):
    """A followed program did not exit with 0. `code` is what the command line ends with."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def _say_end(work: dict[str, Any], *, is_followed: bool) -> None:
    """Tell how a program ended, beside its output. Raises: WorkEnded if it was followed and went wrong."""
    if work["state"] not in WORK_OVER:
        return
    said = plain(_end_of(work))
    if is_followed and (work["state"] != "exited" or work["exit_code"] != 0):
        code = work["exit_code"] if work["exit_code"] is not None else 1
        raise WorkEnded(code if 0 < code < 256 else 128 - code if code < 0 else 1, said)
    line(f"market: {said}", is_aside=True)


def _end_of(work: dict[str, Any]) -> str:
    """The state of a program: `running`, `exited with 3`, `failed: No such file`."""
    code = f" with {work['exit_code']}" if work["exit_code"] is not None else ""
    return f"{work['state']}{code}" + (f": {work['reason']}" if work["reason"] else "")


def stop(market: Market, out: Out, args: argparse.Namespace) -> None:
    row = market.stop(args.lease)
    out.say(row, f"Asked to stop: {' '.join(row['command'])}")


def end(market: Market, out: Out, args: argparse.Namespace) -> None:
    row = market.end(args.lease)
    out.say(row, f"Lease {row['id']} ends {moment(row['end'])} UTC; unused minutes are refunded.")
