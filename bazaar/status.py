"""The operator's page: what this deployment depends on, what waits, what went wrong, and what is kept."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Min, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import npgettext

from bazaar import metrics, pages, readiness, sweeps
from compute_market.leases.models import Lease
from compute_market.matching.models import Order
from compute_market.matching.views import selectors as matching
from compute_market.offers.models import Node
from hub.accounts.models import User
from hub.community.models import Delivery
from hub.lfs.models import LfsLink, LfsObject
from hub.repos.models import Kind, Repository
from hub.xet.models import Xorb


@dataclass(frozen=True, slots=True)
class XorbShare:
    """The xorbs of one state."""

    label: str
    count: int
    stored_bytes: int
    raw_bytes: int
    is_damaged: bool


def status(request: HttpRequest) -> HttpResponse:
    """For staff. It is read-only; `manage.py doctor` says how to repair what is wrong."""
    if not request.user.is_authenticated:
        return pages.to_sign_in(request)
    if not request.user.is_staff:
        raise PermissionDenied
    return render(request, "status.html", _machine() | _storage() | _hub() | _market())


def _machine() -> dict[str, Any]:
    now = timezone.now()
    disk = shutil.disk_usage(settings.DATA_DIR)
    return {
        "dependencies": readiness.report(),
        "queues": readiness.queue_lengths(),
        "sweeps": [(sweep, sweep.is_late(now)) for sweep in sweeps.report()],
        "answers": metrics.answers(),
        "disk": disk,
        "disk_used_percent": round(100 * disk.used / disk.total),
    }


def _storage() -> dict[str, Any]:
    linked = LfsLink.objects.values("object")
    rows = (
        Xorb.objects.order_by("state")
        .values_list("state")
        .annotate(count=Count("pk"), stored=Sum("stored_bytes"), raw=Sum("raw_bytes"))
    )
    return {
        "objects": LfsObject.objects.aggregate(count=Count("pk"), size=Sum("size_bytes")),
        "unused_objects": LfsObject.objects.exclude(pk__in=linked).aggregate(
            count=Count("pk"), size=Sum("size_bytes")
        ),
        "xorbs": [
            XorbShare(str(Xorb.State(state).label), count, stored, raw, state == Xorb.State.DAMAGED)
            for state, count, stored, raw in rows
        ],
        "verified_since": Xorb.objects.aggregate(oldest=Min("verified_at"))["oldest"],
    }


def _counted(kind: Kind, number: int) -> str:
    """The name of a kind, as it stands below a number."""
    names = {
        Kind.MODEL: npgettext("below a number", "model", "models", number),
        Kind.DATASET: npgettext("below a number", "dataset", "datasets", number),
        Kind.SPACE: npgettext("below a number", "space", "spaces", number),
        Kind.MCP: npgettext("below a number", "MCP server", "MCP servers", number),
        Kind.SKILL: npgettext("below a number", "skill", "skills", number),
        Kind.KERNEL: npgettext("below a number", "kernel", "kernels", number),
    }
    return names.get(kind, str(kind.label))


def _hub() -> dict[str, Any]:
    kinds = dict(Repository.objects.live().order_by().values_list("kind").annotate(n=Count("pk")))
    return {
        "users": User.objects.count(),
        "repositories": [
            (_counted(kind, kinds[kind.value]), kinds[kind.value]) for kind in Kind if kind in kinds
        ],
        "deleted": Repository.objects.exclude(deleted_at=None).count(),
        "waiting_deliveries": Delivery.objects.filter(status=Delivery.Status.WAITING).count(),
        "failed_deliveries": Delivery.objects.filter(status=Delivery.Status.FAILED).count(),
    }


def _market() -> dict[str, Any]:
    return {
        "shards": sorted(matching.backlog().items()),
        "live_orders": Order.objects.filter(state__in=Order.LIVE).count(),
        "live_leases": Lease.objects.live().count(),
        "silent_nodes": Node.objects.filter(is_stale=True).exclude(state=Node.State.RETIRED).count(),
    }
