"""What each word of the command line does: ask the market, and show what it says."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import uuid4

from compute_market.amounts import credits_of
from compute_market.client.market import Market
from compute_market.client.shown import Column, Out, moment, number, percent, progress, providers

ROWS_MAX = 50
LEVELS_SHOWN = 10
FOLLOW_SECONDS = 1.0
LOOK_SECONDS = 0.5
WORK_OVER = {"exited", "failed", "stopped"}

ORDER_COLUMNS = [
    Column("order", "id", number),
    Column("side", "side"),
    Column("product", "product"),
    Column("GPUs", "gpus", number),
    Column("filled", "filled_gpus", number),
    Column("limit", "limit_price", credits_of),
    Column("from (UTC)", "start", moment),
    Column("to", "end", moment),
    Column("state", "state"),
    Column("reason", "reason"),
]


# ---- looking -----------------------------------------------------------------------------------------


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
        Column("GPUs offered", "offered_gpus", number),
        Column("state", "state"),
    ]
    out.rows(rows, columns, empty="Nothing is offered or wanted; --all lists every product.")


def book(market: Market, out: Out, args: argparse.Namespace) -> None:
    window = {}
    if args.start or args.hours:
        start = args.start or _next_hour()
        window = {"start": _iso(start), "end": _iso(start + timedelta(hours=args.hours or 1))}
    found = market.book(args.product, **window)
    if out.as_json:
        out.say(found)
        return
    print(f"{found['product']}, {moment(found['start'])} – {moment(found['end'])} UTC")
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
        found, columns, empty="Nothing covers that: fewer GPUs or hours, more --days, or a bid that waits."
    )
    if found and not out.as_json:
        best = found[0]
        when = best["start"].replace("+00:00", "Z")
        limit = credits_of(best["limit_micros_per_gpu_hour"]).replace(",", "")
        several = "" if best["same_node"] else " --no-same-node"
        print(f"\nmarket buy {best['product']} {best['gpus']} {args.hours} {limit} --start {when}{several}")


# ---- orders ------------------------------------------------------------------------------------------


def buy(market: Market, out: Out, args: argparse.Namespace) -> None:
    where: dict[str, Any] = {} if args.same_node is None else {"same_node": args.same_node}
    if args.extends:
        args.start = datetime.fromisoformat(market.lease(args.extends)["end"])
        where = {"extends": args.extends}
    _place(market, out, args, "buy", **where)


def sell(market: Market, out: Out, args: argparse.Namespace) -> None:
    source = {"node": args.node} if args.node else {"lease": args.lease}
    _place(market, out, args, "sell", **source)


def _place(market: Market, out: Out, args: argparse.Namespace, side: str, **where: Any) -> None:
    is_now = args.start == "now"
    start = datetime.now(UTC) if is_now else args.start or _next_hour()
    end = start + timedelta(hours=args.hours)
    order: dict[str, Any] = {
        "client_order_id": args.id or uuid4().hex,
        "side": side,
        "product": args.product,
        "gpus": args.gpus,
        "end": _floor_hour(end) if is_now else end,
        "limit_price": args.price,
        "time_in_force": args.time_in_force,
        "self_trade": args.self_trade,
        **where,
    }
    if args.until:
        order["expires_at"] = args.until
        order["time_in_force"] = "gtd" if args.time_in_force == "gtc" else args.time_in_force
    if not is_now:
        order["start"] = start
    if args.post_only:
        order["post_only"] = True
    placed = market.place(**order)
    placed = _decided(
        placed, lambda row: row["state"] != "pending", lambda: market.order(placed["id"]), args.wait
    )
    out.say(placed, *_told(placed))


def orders(market: Market, out: Out, args: argparse.Namespace) -> None:
    rows = islice(market.orders(**({} if args.all else {"state": "live"})), ROWS_MAX)
    out.rows(
        rows, ORDER_COLUMNS, empty="No orders." if args.all else "No live orders; --all lists finished ones."
    )


def amend(market: Market, out: Out, args: argparse.Namespace) -> None:
    change = {"limit_price": args.price, "gpus": args.gpus}
    asked = market.amend(args.order, **{name: value for name, value in change.items() if value is not None})
    row = _decided(
        asked,
        lambda row: row["amendment"] is None or row["amendment"]["state"] != "pending",
        lambda: market.order(args.order),
        args.wait,
    )
    amendment = row["amendment"] or {"state": "accepted", "reason": ""}
    text = (
        f"The change was {amendment['state']}" if amendment["state"] != "pending" else "The change is pending"
    )
    out.say(row, text + (f" ({amendment['reason']})." if amendment["reason"] else "."), *_told(row))


def cancel(market: Market, out: Out, args: argparse.Namespace) -> None:
    if args.all:
        row = market.cancel_all(args.product)
        out.say(row, f"{row['cancelling']} orders are being cancelled.")
        return
    asked = market.cancel(args.order)
    row = _decided(
        asked,
        lambda row: row["state"] not in {"pending", "open", "partially_filled"},
        lambda: market.order(args.order),
        args.wait,
    )
    out.say(row, *_told(row))


def explain(market: Market, out: Out, args: argparse.Namespace) -> None:
    row = market.explain(args.order)
    misses = [f"  {miss['text']}" for miss in row["misses"]]
    if not misses and row["state"] != "filled":
        misses = ["  Nothing on the book comes near it."]
    reason = f" ({row['reason']})" if row["reason"] else ""
    out.say(row, f"Order {row['order']} is {_words(row['state'])}{reason}.", *misses)


def _decided(
    row: dict[str, Any],
    is_decided: Callable[[dict[str, Any]], bool],
    look: Callable[[], dict[str, Any]],
    wait: float,
) -> dict[str, Any]:
    """The row once the market has decided it, or as it is when the patience ends; shows the seconds."""
    began = time.monotonic()
    while not is_decided(row) and (waited := time.monotonic() - began) < wait:
        progress(f"waiting for the market … {waited:.0f} s")
        time.sleep(min(LOOK_SECONDS, wait - waited))
        row = look()
    progress("")
    return row


def _told(order: dict[str, Any]) -> list[str]:
    """An order in some lines."""
    done = "bought" if order["side"] == "buy" else "sold"
    lines = [
        f"Order {order['id']} is {_words(order['state'])}"
        + (f" ({order['reason']})" if order["reason"] else "")
        + f": {number(order['filled_gpus'])} of {order['gpus']} GPUs {done},"
        f" {moment(order['start'])} – {moment(order['end'])} UTC, limit {credits_of(order['limit_price'])}."
    ]
    if order["hold_micros"]:
        lines.append(f"Held: {credits_of(order['hold_micros'])}, the worst case with its fee.")
    if order["filled_gpus"] and order["side"] == "buy":
        lines.append("See: market leases")
    elif order["state"] in {"open", "partially_filled"}:
        lines.append(f"Why not more? market explain {order['id']}")
    return lines


# ---- leases ------------------------------------------------------------------------------------------


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
    ]
    out.rows(rows, columns, empty="No leases." if args.all else "No live leases; --all lists finished ones.")


def run(market: Market, out: Out, args: argparse.Namespace) -> None:
    options: dict[str, Any] = {"image": args.image} if args.image else {}
    if args.serve:
        options["serves"] = args.serve
    row = market.run(args.lease, args.words, **options)
    where = f"Queued on {row['runner']}: {' '.join(row['command'])}"
    out.say(row, where, f"Its output: market logs {args.lease} --follow")


def logs(market: Market, out: Out, args: argparse.Namespace) -> None:
    after = 0
    while True:
        page = market.logs(args.lease, after)
        if out.as_json:
            print(json.dumps(page, indent=2))
            return
        sys.stdout.write(page["text"])
        sys.stdout.flush()
        if page["next"] == after:
            if page["work"]["state"] in WORK_OVER or not args.follow:
                return
            time.sleep(FOLLOW_SECONDS)
        after = page["next"]


def stop(market: Market, out: Out, args: argparse.Namespace) -> None:
    row = market.stop(args.lease)
    out.say(row, f"Asked to stop: {' '.join(row['command'])}")


def end(market: Market, out: Out, args: argparse.Namespace) -> None:
    row = market.end(args.lease)
    out.say(row, f"Lease {row['id']} ends {moment(row['end'])} UTC; what was not used is paid back.")


# ---- money and machines ------------------------------------------------------------------------------


def balance(market: Market, out: Out, args: argparse.Namespace) -> None:
    columns = [
        Column("account", "kind"),
        Column("balance", "balance_micros", credits_of),
        Column("held", "held_micros", credits_of),
        Column("available", "available_micros", credits_of),
    ]
    out.rows(market.balance(args.account), columns, empty="No account.")


def statement(market: Market, out: Out, args: argparse.Namespace) -> None:
    columns = [
        Column("when (UTC)", "at", moment),
        Column("what", "kind"),
        Column("credits", "amount_micros", credits_of),
        Column("for", "cause"),
    ]
    out.rows(islice(market.statement(args.account), ROWS_MAX), columns, empty="No movements yet.")


def nodes(market: Market, out: Out, args: argparse.Namespace) -> None:
    columns = [
        Column("node", "id", number),
        Column("name", "name"),
        Column("product", "product"),
        Column("GPUs", "gpus", number),
        Column("state", "shown_state"),
        Column("last heard (UTC)", "last_heartbeat_at", moment),
        Column("reason", "reason"),
    ]
    rows = [{**row, "shown_state": "silent" if row["is_stale"] else row["state"]} for row in market.nodes()]
    out.rows(rows, columns, empty="You have no nodes; the console at /market/provider enrols them.")


def _words(state: str) -> str:
    return state.replace("_", " ")


def _iso(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()


def _floor_hour(value: datetime) -> datetime:
    return value.replace(minute=0, second=0, microsecond=0)


def _next_hour() -> datetime:
    return _floor_hour(datetime.now(UTC)) + timedelta(hours=1)
