"""Public information about a provider, which a buyer sees before and after a trade."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    Case,
    Count,
    DateTimeField,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    Sum,
    When,
)

from compute_market.leases.models import Lease, LeaseEvent
from compute_market.leases.states import BROKEN_BY_PROVIDER
from compute_market.ledger.models import Account
from compute_market.offers.models import Node, Provider
from foundation import clock

LOOKED_BACK = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Supplier:
    """A provider, its bond, and its leases that were over in the last 30 days.

    `sold_minutes` are the minutes that those leases were for: up to their early end if the holder ended them,
    up to the agreed end if the provider broke them. A first minute that was free because it had begun at the
    purchase (rule M15) was not sold. Sold-on parts are not counted a second time.
    """

    name: str
    is_demo: bool
    bond_micros: int
    leases: int
    sold_minutes: int
    delivered_minutes: int
    broken_leases: int

    @property
    def delivered_percent(self) -> float | None:
        """The share of sold minutes that was delivered; None if nothing was sold."""
        return round(100 * self.delivered_minutes / self.sold_minutes, 2) if self.sold_minutes else None


def suppliers(provider_ids: Collection[int], *, now: datetime) -> dict[int, Supplier]:
    """Provider id → what there is to know, in three statements however many there are."""
    if not provider_ids:
        return {}
    providers = Provider.objects.select_related("namespace").filter(pk__in=provider_ids)
    found = {provider.pk: provider for provider in providers}
    bonds = dict(
        Account.objects.filter(
            kind=Account.Kind.BOND, namespace__in={provider.namespace_id for provider in found.values()}
        ).values_list("namespace", "balance_micros")
    )
    past = {row["node__provider"]: row for row in _past(found, now)}
    nothing: Mapping[str, Any] = {"leases": 0, "sold": timedelta(0), "delivered": 0, "broken": 0}
    return {
        pk: Supplier(
            name=provider.namespace.name,
            is_demo=provider.is_demo,
            bond_micros=bonds.get(provider.namespace_id, 0),
            leases=(row := past.get(pk, nothing))["leases"],
            sold_minutes=row["sold"] // clock.MINUTE,
            delivered_minutes=row["delivered"],
            broken_leases=row["broken"],
        )
        for pk, provider in found.items()
    }


def _past(provider_ids: Iterable[int], now: datetime) -> Iterable[Mapping[str, Any]]:
    broken = LeaseEvent.objects.filter(lease=OuterRef("pk"), state__in=BROKEN_BY_PROVIDER)
    second_minute = F("starts_at") + clock.MINUTE
    is_first_free = When(
        opened_at__gt=F("starts_at"),
        opened_at__lt=second_minute,
        then=ExpressionWrapper(second_minute, output_field=DateTimeField()),
    )
    return (
        Lease.objects.filter(
            node__in=Node.objects.filter(provider__in=provider_ids).values("pk"),
            parent=None,
            over_at__gt=now - LOOKED_BACK,
        )
        .annotate(
            is_broken=Exists(broken),
            sold_from=Case(is_first_free, default=F("starts_at")),
            sold_until=Case(When(is_broken=True, then=F("agreed_end_at")), default=F("ends_at")),
        )
        .annotate(sold_for=ExpressionWrapper(F("sold_until") - F("sold_from"), output_field=DurationField()))
        .order_by()
        .values("node__provider")
        .annotate(
            leases=Count("pk"),
            sold=Sum("sold_for"),
            delivered=Sum("delivered_minutes"),
            broken=Count("pk", filter=Q(is_broken=True)),
        )
    )
