"""Leases in the operator's pages: to look at."""

from django.contrib import admin

from compute_market.leases.models import Lease, Work
from compute_market.ledger.admin import ReadOnlyAdmin


@admin.register(Lease)
class LeaseAdmin(ReadOnlyAdmin):
    list_display = ("id", "state", "product", "node", "gpus", "starts_at", "ends_at", "used_micros")
    list_filter = ("state",)
    list_select_related = ("product", "node")


@admin.register(Work)
class WorkAdmin(ReadOnlyAdmin):
    list_display = ("id", "lease", "runner", "state", "exit_code", "requested_at", "finished_at")
    list_filter = ("state", "runner")
