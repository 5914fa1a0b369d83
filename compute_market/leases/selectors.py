"""Reads of leases: for their holders and sellers, and for the agents that carry them out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, Max, Q, QuerySet, Sum
from django.db.models.functions import Least

from compute_market import quantities
from compute_market.leases import bindings
from compute_market.leases.errors import LeaseNotFound, WorkNotFound
from compute_market.leases.models import (
    JoinedFill,
    Lease,
    LeaseEvent,
    LeaseQuerySet,
    LeaseTraffic,
    LogChunk,
    Work,
)
from compute_market.leases.states import State
from compute_market.ledger import budgets, policies
from compute_market.offers.models import Node
from foundation import clock
from foundation.database.compiled import CompiledQuery
from hub.interface import Principal

LOG_PAGE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Assignment:
    """The assignment of a lease for its agent. It runs until `run_until`, on these GPUs; `work`
    may be None.
    """

    lease: Lease
    gpus: list[int]
    run_until: datetime
    work: Work | None


def leases(*, actor: Principal) -> LeaseQuerySet:
    """Leases that the actor may see, held or supplied; of a capped token those it bought.

    Raises: Unauthenticated, TradeScopeMissing.
    """
    policies.require_market_scope(actor)
    mine = policies.buying_namespaces(actor)
    if policies.is_capped(actor):
        seen = Q(holder__namespace__in=mine, order_number__in=budgets.order_numbers(actor))
    else:
        seen = (
            Q(holder__namespace__in=mine)
            | Q(seller__namespace__in=mine)
            | Q(node__provider__namespace__in=mine)
        )
    return (
        Lease.objects.filter(seen)
        .select_related("product", "node__provider__namespace", "holder__namespace", "seller__namespace")
        .order_by("-pk")
    )


@dataclass(frozen=True, slots=True)
class Earnings:
    """An account's earnings by leases, in micro-credits. Paid: after fees; due: metered, not paid yet."""

    leases: int
    delivered_minutes: int
    paid_micros: int
    due_micros: int


def earnings(*, seller_id: int | None) -> Earnings:
    """The earnings of one account by all its leases; zeros where it sold none."""
    fees = Least(F("paid_micros"), F("seller_fee_micros"))
    sold = Lease.objects.filter(seller=seller_id).aggregate(
        count=Count("pk"),
        minutes=Sum("delivered_minutes", default=0),
        paid=Sum(F("paid_micros") - fees, default=0),
        due=Sum(F("used_micros") - F("paid_micros"), default=0),
    )
    return Earnings(
        leases=sold["count"],
        delivered_minutes=sold["minutes"],
        paid_micros=sold["paid"],
        due_micros=sold["due"],
    )


def earned_micros(lease: Lease) -> int:
    """A seller's earnings by one lease so far, after the fee."""
    return lease.paid_micros - min(lease.paid_micros, lease.seller_fee_micros)


def get_lease(*, actor: Principal, lease_id: int) -> Lease:
    """A lease that the actor may see. Raises: Unauthenticated, TradeScopeMissing, LeaseNotFound."""
    lease = leases(actor=actor).filter(pk=lease_id).first()
    if lease is None:
        raise LeaseNotFound
    return lease


def get_held_lease(*, actor: Principal, lease_id: int) -> Lease:
    """A lease that the actor holds. Raises: Unauthenticated, TradeScopeMissing, LeaseNotFound."""
    lease = held_leases(actor=actor).filter(pk=lease_id).first()
    if lease is None:
        raise LeaseNotFound
    return lease


def get_supplied_lease(*, actor: Principal, lease_id: int) -> Lease:
    """A lease whose provider the actor acts for.

    Raises: Unauthenticated, TradeScopeMissing, LeaseNotFound.
    """
    lease = get_lease(actor=actor, lease_id=lease_id)
    if not policies.may_spend(actor, lease.node.provider.namespace_id):
        raise LeaseNotFound
    return lease


def held_leases(*, actor: Principal) -> LeaseQuerySet:
    """Leases that the actor holds. Raises: Unauthenticated, TradeScopeMissing."""
    return leases(actor=actor).filter(holder__namespace__in=policies.buying_namespaces(actor))


def leases_of_order(*, actor: Principal, order_id: int) -> LeaseQuerySet:
    """The leases that a buy order brought, newest first. Raises: Unauthenticated, TradeScopeMissing."""
    return held_leases(actor=actor).filter(order_number=order_id)


def leases_of_trades(trade_ids: Collection[int]) -> dict[int, int]:
    """Trade id → the lease that it made or joined."""
    made = dict(Lease.objects.filter(trade_number__in=trade_ids).values_list("trade_number", "pk"))
    joined = JoinedFill.objects.filter(trade_number__in=trade_ids).values_list("trade_number", "lease")
    return {**dict(joined), **made}


def events_of(lease: Lease) -> QuerySet[LeaseEvent]:
    """The history of a lease, oldest first."""
    return lease.events.order_by("pk")


def works_of(lease: Lease) -> QuerySet[Work]:
    """Everything that was run on a lease, newest first."""
    return lease.works.order_by("-pk")


def newest_work(lease: Lease) -> Work:
    """The command that the lease runs, or ran last. Raises: WorkNotFound."""
    work = lease.works.order_by("-pk").first()
    if work is None:
        raise WorkNotFound
    return work


def newest_works(*, actor: Principal, leases: Collection[Lease]) -> dict[int, Work]:
    """Lease id → what it runs, or ran last; of those that the actor holds and that ran something.

    Raises: Unauthenticated, TradeScopeMissing.
    """
    held = held_leases(actor=actor).filter(pk__in=[lease.pk for lease in leases]).order_by().values("pk")
    newest = Work.objects.filter(lease__in=held).values("lease").annotate(newest=Max("pk")).values("newest")
    found = Work.objects.filter(pk__in=newest).only("lease", "state", "exit_code", "reason")
    return {work.lease_id: work for work in found}


def traffic_of(lease_id: int) -> LeaseTraffic | None:
    """Bytes and streams of a lease, as counted so far; None where nothing was."""
    return LeaseTraffic.objects.filter(lease=lease_id).first()


def read_log(work: Work, *, after: int = 0) -> tuple[str, int]:
    """A page of a work's output from a byte on, and the byte to go on from.

    Bytes before the oldest piece that is kept are skipped.
    """
    text, size = [], 0
    for chunk in LogChunk.objects.filter(work=work, offset__gte=after).order_by("offset").iterator():
        text.append(chunk.text)
        size += chunk.size
        after = chunk.offset + chunk.size
        if size >= LOG_PAGE_BYTES:
            break
    return "".join(text), after


def assignments(*, node: Node, now: datetime) -> list[Assignment]:
    """The assignments of a node. Its agent stops everything else."""
    found = []
    for lease in _usable.all(node=node.pk):
        if not lease.starts_at <= now < lease.ends_at:
            continue
        work = lease.works.filter(state__in=Work.OPEN).first()
        gpus = bindings.gpus_of(lease, now=now)
        found.append(Assignment(lease=lease, gpus=gpus, run_until=run_until(lease), work=work))
    return found


_usable = CompiledQuery(
    lambda node: Lease.objects.filter(node_id=node, state__in=bindings.USING).order_by("pk"), node=31_112
)


def run_until(lease: Lease) -> datetime:
    """The end of a lease, or of the one that extends it: work need not stop in between."""
    following = Lease.objects.filter(
        node_id=lease.node_id,
        holder_id=lease.holder_id,
        gpus=lease.gpus,
        starts_at=lease.ends_at,
        state=State.PENDING,
        extends=None,
    ).first()
    if following is None or lease.ends_at != lease.agreed_end_at:
        return lease.ends_at
    return following.ends_at


SALES_COUNTED = 1_000


def resale_profit_micros(*, account_id: int) -> int | None:
    """The profit, or the loss, of an account's resales among its newest 1,000 sales; None without a resale.

    Of each it is the price less the fee, less what the holder paid for the same GPUs and minutes. Of a lease
    that is settled only what the seller got counts, and of the minutes those that were delivered or given up.
    """
    sold = Lease.objects.filter(seller=account_id).select_related("parent").order_by("-pk")
    profits = [
        _profit_micros(lease, lease.parent)
        for lease in sold[:SALES_COUNTED]
        if lease.parent is not None and lease.parent.holder_id == account_id
    ]
    return sum(profits) if profits else None


def _profit_micros(resold: Lease, bought: Lease) -> int:
    income = resold.notional_micros - resold.seller_fee_micros
    minutes = clock.minutes_between(resold.starts_at, resold.agreed_end_at)
    if resold.settled_at is not None:
        fee = resold.cancel_fee_micros if resold.holder_id != resold.seller_id else 0
        income = earned_micros(resold) + fee
        undelivered = max(0, resold.refunded_micros - resold.given_up_micros)
        minutes -= undelivered // resold.price_micros_per_minute
    paid = quantities.notional_micros(
        gpu_minutes=resold.gpus * minutes, price_micros_per_gpu_hour=bought.price_micros_per_gpu_hour
    )
    return income - paid
