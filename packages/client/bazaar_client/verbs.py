"""The commands of the command line: each calls the market and shows its answer."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from itertools import islice
from typing import Any
from uuid import uuid4

from bazaar_client import ways
from bazaar_client.amounts import credits_of
from bazaar_client.market import Market, MarketError
from bazaar_client.shown import (
    Column,
    Out,
    line,
    moment,
    number,
    output,
    percent,
    plain,
    progress,
    providers,
)

ROWS_MAX = 50
LEVELS_SHOWN = 10
FOLLOW_SECONDS = 1.0
LOOK_SECONDS = 0.5
WORK_OVER = {"exited", "failed", "stopped"}
NEAR_MAX = 3
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
        found, columns, empty="Nothing covers that: fewer GPUs or hours, more --days, or a bid that waits."
    )
    if not found and args.spec and not out.as_json and (near := _near(market, args.spec.split(":")[0])):
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


# ---- orders ------------------------------------------------------------------------------------------


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
    if side == "buy" and getattr(args, "max_total", None):
        order["limit_price"] = _within(args.max_total, order, start=start)
    try:
        placed = market.place(**order)
    except MarketError as error:
        if error.code == "product_not_found":
            raise MarketError(
                error.status, error.code, f"{error}{_near(market, args.product)}", error.details
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


def _near(market: Market, wanted: str) -> str:
    """Products whose names are like the one that is not there."""
    names = [row["product"] for row in market.products()]
    inside = [name for name in names if wanted.lower() in name]
    near = inside[:NEAR_MAX] or get_close_matches(wanted.lower(), names, n=NEAR_MAX, cutoff=0.5)
    return f" Did you mean {', '.join(near)}?" if near else ""


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
        Column("for", "text"),
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
    # A node that was retired or suspended is that first; being silent would hide it.
    rows = [
        {**row, "shown_state": "silent" if row["is_stale"] and row["state"] == "ready" else row["state"]}
        for row in market.nodes()
    ]
    out.rows(rows, columns, empty="You have no nodes; the console at /market/provider enrols them.")


def _words(state: str) -> str:
    return state.replace("_", " ")


def _iso(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()


def _floor_hour(value: datetime) -> datetime:
    return value.replace(minute=0, second=0, microsecond=0)


def _price_now(market: Market, product: str, *, gpus: int, hours: int) -> int | None:
    """The limit at which so many GPUs can be had from this minute on; None where they cannot."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    end = _floor_hour(now + timedelta(hours=hours))
    if end <= now:
        return None
    found = 0
    for price, offered in market.book(product, start=_iso(now), end=_iso(end))["asks"]:
        found += offered
        if found >= gpus:
            return int(price)
    return None


def _next_hour() -> datetime:
    return _floor_hour(datetime.now(UTC)) + timedelta(hours=1)
