"""The operator's page: what this deployment depends on, what waits, and what is kept."""

from __future__ import annotations

import shutil

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from bazaar import pages, readiness
from compute_market.leases.models import Lease
from compute_market.matching import selectors as matching
from compute_market.matching.models import Order
from compute_market.offers.models import Node
from hub.accounts.models import User
from hub.community.models import Delivery
from hub.lfs.models import LfsObject
from hub.repos.models import Kind, Repository


def status(request: HttpRequest) -> HttpResponse:
    """For staff. Nothing here changes anything; `manage.py doctor` says how to mend what is wrong."""
    if not request.user.is_authenticated:
        return pages.to_sign_in(request)
    if not request.user.is_staff:
        raise PermissionDenied
    disk = shutil.disk_usage(settings.DATA_DIR)
    objects = LfsObject.objects.aggregate(count=Count("pk"), size=Sum("size_bytes"))
    kinds = dict(Repository.objects.live().order_by().values_list("kind").annotate(n=Count("pk")))
    context = {
        "dependencies": readiness.report(),
        "queues": readiness.queue_lengths(),
        "shards": sorted(matching.backlog().items()),
        "disk": disk,
        "disk_used_percent": round(100 * disk.used / disk.total),
        "users": User.objects.count(),
        "repositories": [(kind.label, kinds.get(kind.value, 0)) for kind in Kind if kinds.get(kind.value)],
        "deleted": Repository.objects.exclude(deleted_at=None).count(),
        "objects": objects,
        "live_orders": Order.objects.filter(state__in=Order.LIVE).count(),
        "live_leases": Lease.objects.live().count(),
        "silent_nodes": Node.objects.filter(is_stale=True).exclude(state=Node.State.RETIRED).count(),
        "waiting_deliveries": Delivery.objects.filter(status=Delivery.Status.WAITING).count(),
        "failed_deliveries": Delivery.objects.filter(status=Delivery.Status.FAILED).count(),
    }
    return render(request, "status.html", context)
