"""The verb that shows an account's changes as they come."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict

from bazaar_client.amounts import credits_of
from bazaar_client.changes import Change, follow
from bazaar_client.market import Market
from bazaar_client.shown import Out, moment, number


def watch(market: Market, out: Out, args: argparse.Namespace) -> None:
    """Show every change until interrupted; with --json each event on a line of its own."""
    for change in follow(market, account=args.account, after=args.after):
        out.event(asdict(change), *told(change))


def told(change: Change) -> Iterator[str]:
    """An event in lines; each begins with its number, from which `--after` goes on."""
    if change.name != "change":
        missed = (
            " Changes before it are gone: look at orders and leases anew." if change.name == "gap" else ""
        )
        yield f"{change.number}  watching.{missed}"
        return
    body, head = change.body, f"{change.number}  {moment(change.body['at'])}"
    for row in body["orders"]:
        why = f" ({row['reason']})" if row["reason"] else ""
        yield f"{head}  order {row['id']} ({row['client_order_id']}) is {row['state'].replace('_', ' ')}{why}"
    for row in body["fills"]:
        done, price = "bought" if row["side"] == "buy" else "sold", row["price_micros_per_gpu_hour"]
        yield (
            f"{head}  order {row['order']} {done} {number(row['gpus'])} GPUs of {row['product']} at"
            f" {credits_of(price)}, {moment(row['start'])} – {moment(row['end'])} UTC,"
            f" fee {credits_of(row['fee_micros'])}"
        )
    for row in body["leases"]:
        why = f" ({row['reason']})" if row["reason"] else ""
        yield f"{head}  lease {row['id']} is {row['state']}{why}"
    for row in body["balances"]:
        available, held = credits_of(row["available_micros"]), credits_of(row["held_micros"])
        yield f"{head}  {row['kind']} account: {available} available, {held} held"
