"""Figures of the database for metrics: what is kept, what waits, what is wrong.

A periodic task takes them once a minute and keeps them in the cache, because counting a large table takes
longer than a request for metrics may. Without the cache there are none, and `bazaar_figures_age_seconds` is
absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Max, Min, Sum

from compute_market.leases.models import Lease
from compute_market.leases.states import State
from compute_market.ledger.models import Account
from compute_market.matching.models import Command, Cursor, Intake, Listing, Order, Trade
from compute_market.matching.views import selectors as matching
from compute_market.offers.models import Node
from hub.accounts.models import User
from hub.community.models import Delivery, Webhook
from hub.lfs.models import LfsObject, LfsUpload
from hub.repos.models import Kind, Repository
from hub.xet.models import Xorb

KEY = "figures"
# Figures older than this are not shown: a stopped worker must not look like a quiet day.
KEPT_SECONDS = 600

# A value of a figure: the values of its labels, then the number.
Value = tuple[list[str], float]


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of the database. `is_total` says that it only grows."""

    text: str
    labels: tuple[str, ...] = ()
    is_total: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of one moment; `taken_at` in seconds since 1970."""

    taken_at: float
    values: dict[str, list[Value]]


FIGURES: dict[str, Figure] = {
    "users": Figure("Accounts of people."),
    "repositories": Figure("Repositories that are not deleted.", ("kind",)),
    "repositories_deleted": Figure("Deleted repositories that can be restored."),
    "lfs_objects": Figure("Large objects."),
    "lfs_object_bytes": Figure("Size of all large objects."),
    "lfs_uploads_unfinished": Figure("Uploads of large objects that were begun and not finished."),
    "xorbs": Figure("Xorbs by state.", ("state",)),
    "xorb_stored_bytes": Figure("Bytes of xorbs as they are stored.", ("state",)),
    "xorb_raw_bytes": Figure("Bytes of xorbs before compression.", ("state",)),
    "xorb_unverified_seconds": Figure("Time since the xorb was verified that waits longest for it."),
    "webhook_calls": Figure("Calls of webhooks that wait, or that failed and are in the log.", ("status",)),
    "webhook_calls_late_seconds": Figure("By how much the call is late that is due longest."),
    "webhooks_disabled": Figure("Webhooks that were switched off."),
    "market_commands_waiting": Figure("Commands that are accepted and not decided.", ("shard",)),
    "market_commands_oldest_seconds": Figure("Age of the command that waits longest for a decision."),
    "market_commands": Figure("Commands that were accepted.", is_total=True),
    "market_trades": Figure("Trades.", is_total=True),
    "market_orders_live": Figure("Orders that are open or undecided."),
    "market_products_halted": Figure("Products whose trading is stopped."),
    "market_leases": Figure("Leases that are not settled.", ("state",)),
    "market_nodes": Figure("Machines that are not retired.", ("state",)),
    "market_nodes_silent": Figure("Machines that should answer and do not."),
    "market_ledger_imbalance": Figure("The sum of all accounts in micro-credits; anything but 0 is a fault."),
    "database_connections": Figure("Connections to the database, of all processes."),
    "database_oldest_transaction_seconds": Figure("Age of the oldest open transaction."),
}


def take(*, now: datetime) -> None:
    """Read all figures and keep them for the next requests for metrics."""
    values: dict[str, list[Value]] = {name: [] for name in FIGURES}
    for read in READERS:
        for name, labels, number in read(now):
            values[name].append((labels, float(number or 0)))
    cache.set(KEY, {"taken_at": now.timestamp(), "values": values}, KEPT_SECONDS)


def latest() -> Figures | None:
    """The figures that were taken last; None if there are none, or none that are recent."""
    kept = cache.get(KEY)
    return Figures(kept["taken_at"], kept["values"]) if kept else None


def _hub(now: datetime) -> Iterator[tuple[str, list[str], Any]]:
    yield "users", [], User.objects.count()
    kinds = dict(Repository.objects.live().order_by().values_list("kind").annotate(n=Count("pk")))
    for kind in Kind:
        yield "repositories", [kind.value], kinds.get(kind.value, 0)
    yield "repositories_deleted", [], Repository.objects.exclude(deleted_at=None).count()
    # Ordered by what the index of due calls holds.
    waiting = Delivery.objects.waiting().aggregate(count=Count("pk"), due=Min("due_at"))
    yield "webhook_calls", ["waiting"], waiting["count"]
    yield "webhook_calls", ["failed"], Delivery.objects.filter(status=Delivery.Status.FAILED).count()
    yield "webhook_calls_late_seconds", [], _age(waiting["due"], now)
    yield "webhooks_disabled", [], Webhook.objects.filter(is_disabled=True).count()


def _storage(now: datetime) -> Iterator[tuple[str, list[str], Any]]:
    objects = LfsObject.objects.aggregate(count=Count("pk"), size=Sum("size_bytes"))
    yield "lfs_objects", [], objects["count"]
    yield "lfs_object_bytes", [], objects["size"]
    yield "lfs_uploads_unfinished", [], LfsUpload.objects.count()
    rows = Xorb.objects.order_by("state").values_list("state")
    found = {
        state: numbers
        for state, *numbers in rows.annotate(
            count=Count("pk"), stored=Sum("stored_bytes"), raw=Sum("raw_bytes")
        )
    }
    for state in Xorb.State:
        numbers = found.get(state.value, (0, 0, 0))
        for name, number in zip(("xorbs", "xorb_stored_bytes", "xorb_raw_bytes"), numbers, strict=True):
            yield name, [state.value], number
    oldest = Xorb.objects.aggregate(oldest=Min("verified_at"))["oldest"]
    yield "xorb_unverified_seconds", [], _age(oldest, now)


def _market(now: datetime) -> Iterator[tuple[str, list[str], Any]]:
    cursors = dict(Cursor.objects.values_list("shard", "sequence"))
    for shard, count in sorted(matching.backlog().items()):
        yield "market_commands_waiting", [str(shard)], count
    firsts = [
        Command.objects.filter(shard=shard, sequence=cursors.get(shard, 0) + 1).values_list(
            "accepted_at", flat=True
        )
        for shard, count in matching.backlog().items()
        if count
    ]
    yield (
        "market_commands_oldest_seconds",
        [],
        max((_age(at, now) for first in firsts for at in first), default=0),
    )
    yield "market_commands", [], sum(last for _, last in Intake.objects.values_list("shard", "last_sequence"))
    yield "market_trades", [], Trade.objects.aggregate(last=Max("pk"))["last"]
    yield "market_orders_live", [], Order.objects.filter(state__in=Order.LIVE).count()
    yield "market_products_halted", [], Listing.objects.filter(is_stopped=True).count()
    states = dict(Lease.objects.exclude(state=State.SETTLED).values_list("state").annotate(n=Count("pk")))
    for state in State:
        if state != State.SETTLED:
            yield "market_leases", [state.value], states.get(state.value, 0)
    nodes = dict(Node.objects.order_by().values_list("state").annotate(n=Count("pk")))
    for node_state in Node.State:
        if node_state != Node.State.RETIRED:
            yield "market_nodes", [node_state.value], nodes.get(node_state.value, 0)
    silent = Node.objects.filter(is_stale=True).exclude(state=Node.State.RETIRED)
    yield "market_nodes_silent", [], silent.count()
    yield "market_ledger_imbalance", [], Account.objects.aggregate(total=Sum("balance_micros"))["total"]


def _database(now: datetime) -> Iterator[tuple[str, list[str], Any]]:
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), extract(epoch FROM now() - min(xact_start)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        count, seconds = cursor.fetchone()
    yield "database_connections", [], count
    yield "database_oldest_transaction_seconds", [], seconds


def _age(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())


READERS: tuple[Callable[[datetime], Iterator[tuple[str, list[str], Any]]], ...] = (
    _hub,
    _storage,
    _market,
    _database,
)
