"""The verbs that show what is offered, and at what price."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches

from bazaar_client.amounts import credits_of
from bazaar_client.market import Market
from bazaar_client.shown import Column, Out, line, moment, number, percent, providers
from bazaar_client.times import floor_hour, iso, next_hour

LEVELS_SHOWN = 10
NEAR_MAX = 3


def gpus(market: Market, out: Out, args: argparse.Namespace) -> None:
    rows = market.tickers(**({"spec": args.spec} if args.spec else {}))
    if not args.all:
        rows = [row for row in rows if row["best_ask_micros"] or row["best_bid_micros"]]
    columns = [
        Column("product", "product"),
        Column("GB", "memory_gb", number),
        Column("last", "last_micros", credits_of),
        Column("24 h", "day_change_bps", percent),
        Column("bid", "best_bid_micros", credits_of),
        Column("ask", "best_ask_micros", credits_of),
        Column("GPUs available", "offered_gpus", number),
        Column("state", "state"),
    ]
    out.rows(rows, columns, empty="Nothing is offered or wanted; --all lists every product.")


def book(market: Market, out: Out, args: argparse.Namespace) -> None:
    window = {}
    if args.start or args.hours:
        start = args.start or next_hour()
        window = {"start": iso(start), "end": iso(start + timedelta(hours=args.hours or 1))}
    found = market.book(args.product, **window)
    if out.as_json:
        out.say(found)
        return
    line(f"{found['product']}, {moment(found['start'])} – {moment(found['end'])} UTC")
    rows = [
        *({"side": "ask", "price": price, "gpus": n} for price, n in found["asks"][:LEVELS_SHOWN][::-1]),
        *({"side": "bid", "price": price, "gpus": n} for price, n in found["bids"][:LEVELS_SHOWN]),
    ]
    columns = [Column("", "side"), Column("price", "price", credits_of), Column("GPUs", "gpus", number)]
    out.rows(rows, columns, empty="Nothing rests over this window.")


def quote(market: Market, out: Out, args: argparse.Namespace) -> None:
    query = {"spec": args.spec} if args.spec else {}
    found = market.quote(gpus=args.gpus, hours=args.hours, within_days=args.days, **query)
    columns = [
        Column("product", "product"),
        Column("GPUs", "gpus", number),
        Column("from (UTC)", "start", moment),
        Column("on one node", "same_node", lambda one: "yes" if one else "no"),
        Column("limit", "limit_micros_per_gpu_hour", credits_of),
        Column("fee", "fee_micros", credits_of),
        Column("in all", "total_micros", credits_of),
        Column("providers", "suppliers", providers),
    ]
    out.rows(
        found, columns, empty="No matching offers: fewer GPUs or hours, more --days, or a bid that waits."
    )
    if not found and args.spec and not out.as_json and (near := near_names(market, args.spec.split(":")[0])):
        line(near.strip())
    if found and not out.as_json:
        best = found[0]
        when = best["start"].replace("+00:00", "Z")
        limit = credits_of(best["limit_micros_per_gpu_hour"]).replace(",", "")
        several = "" if best["same_node"] else " --no-same-node"
        line()
        line(f"market buy {best['product']} {best['gpus']} {args.hours} {limit} --start {when}{several}")
        if price := _price_now(market, best["product"], gpus=args.gpus, hours=args.hours):
            limit = credits_of(price).replace(",", "")
            line(f"market buy {best['product']} {args.gpus} {args.hours} {limit} --start now")


def _price_now(market: Market, product: str, *, gpus: int, hours: int) -> int | None:
    """The limit at which so many GPUs can be had from this minute on; None where they cannot."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    end = floor_hour(now + timedelta(hours=hours))
    if end <= now:
        return None
    found = 0
    for price, offered in market.book(product, start=iso(now), end=iso(end))["asks"]:
        found += offered
        if found >= gpus:
            return int(price)
    return None


def near_names(market: Market, wanted: str) -> str:
    """Products whose names are like the one that is not there."""
    names = [row["product"] for row in market.products()]
    inside = [name for name in names if wanted.lower() in name]
    near = inside[:NEAR_MAX] or get_close_matches(wanted.lower(), names, n=NEAR_MAX, cutoff=0.5)
    return f" Did you mean {', '.join(near)}?" if near else ""
