"""Leases in the operator's pages: to look at."""

from django.contrib import admin

from compute_market.leases.models import Lease, Work
from compute_market.ledger.admin import ReadOnlyAdmin, in_credits, owner_of


@admin.register(Lease)
class LeaseAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "state",
        "product",
        "node",
        owner_of("holder"),
        "gpus",
        "starts_at",
        "ends_at",
        in_credits("used_micros"),
        in_credits("paid_micros"),
        "reason",
    )
    list_filter = ("state",)
    list_select_related = ("product", "node", "holder__namespace")
    search_fields = ("product__slug", "node__name", "holder__namespace__key")
    ordering = ("-pk",)


@admin.register(Work)
class WorkAdmin(ReadOnlyAdmin):
    list_display = ("id", "lease", "runner", "state", "exit_code", "requested_at", "finished_at")
    list_filter = ("state", "runner")
    list_select_related = ("lease",)
    search_fields = ("lease__id", "image")
    ordering = ("-pk",)
