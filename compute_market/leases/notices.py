"""Notices for the holders of leases, made of the events that their leases have written."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_noop

from compute_market.leases.models import LeaseEvent
from compute_market.leases.states import NOTICED, State
from hub.interface import NamespaceNotice, NoticeKind, tell_namespaces

BATCH = 500
NOTICES = {
    State.ACTIVE: (
        NoticeKind.LEASE_START,
        gettext_noop("Lease #%(lease)s has started: %(gpus)s GPUs of %(product)s."),
    ),
    State.PROVISION_FAILED: (
        NoticeKind.LEASE_START,
        gettext_noop("Lease #%(lease)s could not start. You get a refund."),
    ),
    State.ENDED: (NoticeKind.LEASE_END, gettext_noop("Lease #%(lease)s has ended.")),
    State.PREEMPT_NOTICE: (
        NoticeKind.PREEMPTION,
        gettext_noop("The provider takes back the GPUs of lease #%(lease)s at %(at)s UTC. Save your work."),
    ),
    State.PREEMPTED: (
        NoticeKind.PREEMPTION,
        gettext_noop("The provider has taken back the GPUs of lease #%(lease)s."),
    ),
    State.LOST: (
        NoticeKind.LOSS,
        gettext_noop("Lease #%(lease)s was interrupted: its node was lost. The unused part is refunded."),
    ),
    State.RECLAIMED: (
        NoticeKind.LOSS,
        gettext_noop("An administrator ended lease #%(lease)s. The unused part is refunded."),
    ),
}
"""State of a lease → kind and text of the notice that its holder gets."""


def tell_holders(*, now: datetime) -> int:
    """Notify holders of the events that are not told yet, at most 500; returns how many events.

    An event is written with the change of its lease, so a change cannot go untold: what a run leaves undone,
    the next one does. A run costs five statements, and the change of a lease none.
    """
    untold = LeaseEvent.objects.filter(is_told=False, state__in=NOTICED)
    with transaction.atomic(durable=True):
        events = list(untold.select_related("lease__holder", "lease__product").order_by("pk")[:BATCH])
        if not events:
            return 0
        tell_namespaces([notice for event in events if (notice := _notice_of(event))], now=now)
        LeaseEvent.objects.filter(pk__in=[event.pk for event in events]).update(is_told=True)
    return len(events)


def _notice_of(event: LeaseEvent) -> NamespaceNotice | None:
    lease, (kind, message) = event.lease, NOTICES[State(event.state)]
    if lease.holder.namespace_id is None:
        return None
    at = lease.preempt_at.strftime("%Y-%m-%d %H:%M") if lease.preempt_at else ""
    return NamespaceNotice(
        namespace_id=lease.holder.namespace_id,
        kind=kind,
        key=f"lease/{lease.pk}/{event.state}",
        message=message,
        params={"lease": lease.pk, "gpus": lease.gpus, "product": lease.product.slug, "at": at},
        address=f"/market/leases/{lease.pk}",
    )
