"""The verbs that place, change and show orders, and what they traded."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import uuid4

from bazaar_client.amounts import credits_of
from bazaar_client.market import Market, MarketError
from bazaar_client.prices import near_names
from bazaar_client.shown import ROWS_MAX, Column, Out, moment, number, progress
from bazaar_client.times import floor_hour, next_hour

LOOK_SECONDS = 0.5
# To bound a total before the market names its fee and tick: its defaults.
TAKER_BPS_MAX, TICK_MICROS = 10, 60_000

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
    Column("note", "client_note"),
]


def buy(market: Market, out: Out, args: argparse.Namespace) -> None:
    if args.price is None and args.max_total is None:
        raise ValueError("Say what you pay at most: a price per GPU-hour, or --max-total.")
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
    start = datetime.now(UTC) if is_now else args.start or next_hour()
    end = start + timedelta(hours=args.hours)
    order: dict[str, Any] = {
        "client_order_id": args.id or uuid4().hex,
        "side": side,
        "product": args.product,
        "gpus": args.gpus,
        "end": floor_hour(end) if is_now else end,
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
    if args.note:
        order["client_note"] = args.note
    if side == "buy" and getattr(args, "max_total", None):
        order["limit_price"] = _within(args.max_total, order, start=start)
    try:
        placed = market.place(**order)
    except MarketError as error:
        if error.code == "product_not_found":
            raise MarketError(
                error.status, error.code, f"{error}{near_names(market, args.product)}", error.details
            ) from None
        raise
    placed = _decided(
        placed, lambda row: row["state"] != "pending", lambda: market.order(placed["id"]), args.wait
    )
    out.say(placed, *_told(placed))


def _within(total: int, order: dict[str, Any], *, start: datetime) -> int:
    """The limit price at which the worst case, fee included, is no more than a total."""
    hours = max(1, round((order["end"] - start).total_seconds() / 3600))
    price: int = (
        total * 10_000 // (10_000 + TAKER_BPS_MAX) // (order["gpus"] * hours) // TICK_MICROS * TICK_MICROS
    )
    if price <= 0:
        raise ValueError("So small a total buys nothing for so long.")
    return price if order["limit_price"] is None else min(price, order["limit_price"])


def orders(market: Market, out: Out, args: argparse.Namespace) -> None:
    rows = islice(market.orders(**({} if args.all else {"state": "live"})), ROWS_MAX)
    out.rows(
        rows, ORDER_COLUMNS, empty="No orders." if args.all else "No open orders; --all lists finished ones."
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


def sell_back(market: Market, out: Out, args: argparse.Namespace) -> None:
    body = {"client_order_id": args.id or uuid4().hex, "limit_price": args.price}
    body["gpus"] = args.gpus or market.lease(args.lease)["gpus"]
    placed = market.call("POST", f"leases/{args.lease}/sell-back", body=body)
    placed = _decided(
        placed, lambda row: row["state"] != "pending", lambda: market.order(placed["id"]), args.wait
    )
    out.say(placed, *_told(placed))


def fills(market: Market, out: Out, args: argparse.Namespace) -> None:
    rows = islice(market.pages("fills", {"order": args.order} if args.order else {}), ROWS_MAX)
    columns = [
        Column("when (UTC)", "at", moment),
        Column("order", "order", number),
        Column("side", "side"),
        Column("product", "product"),
        Column("GPUs", "gpus", number),
        Column("price", "price_micros_per_gpu_hour", credits_of),
        Column("fee", "fee_micros", credits_of),
        Column("in all", "total_micros", credits_of),
        Column("lease", "lease", number),
    ]
    out.rows(rows, columns, empty="No fills yet.")


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
    if order["client_note"]:
        lines.append(f"Your note: {order['client_note']}")
    if order.get("filled_total_micros"):
        way = "paid" if order["side"] == "buy" else "to come"
        lines.append(
            f"At {credits_of(order['average_price_micros_per_gpu_hour'])} on average:"
            f" {credits_of(order['filled_total_micros'])} {way},"
            f" with the fee of {credits_of(order['filled_fee_micros'])}."
        )
    if order["hold_micros"]:
        lines.append(f"Held: {credits_of(order['hold_micros'])}, the worst case with its fee.")
    if order["filled_gpus"] and order["side"] == "buy":
        lines.append("See: market leases")
    elif order["state"] in {"open", "partially_filled"}:
        lines.append(f"Why not more? market explain {order['id']}")
    return lines


def _words(state: str) -> str:
    return state.replace("_", " ")
