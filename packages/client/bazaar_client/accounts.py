"""The verbs that show money and machines."""

from __future__ import annotations

import argparse
from itertools import islice

from bazaar_client.amounts import credits_of
from bazaar_client.market import Market
from bazaar_client.shown import ROWS_MAX, Column, Out, moment, number


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
    out.rows(islice(market.statement(args.account), ROWS_MAX), columns, empty="No transactions yet.")


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
