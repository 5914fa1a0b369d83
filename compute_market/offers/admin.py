"""Supply in the operator's pages. Products may be edited; nodes and reports are looked at."""

from django.contrib import admin

from compute_market.ledger.admin import ReadOnlyAdmin
from compute_market.offers.models import HardwareReport, Node, Product, Provider


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("slug", "state", "shard", "tick_micros", "reference_price_micros", "band_bps")
    list_filter = ("state", "vendor", "region", "tier")
    search_fields = ("slug",)


@admin.register(Provider)
class ProviderAdmin(ReadOnlyAdmin):
    list_display = ("id", "namespace", "allows_processes", "is_demo")


@admin.register(Node)
class NodeAdmin(ReadOnlyAdmin):
    list_display = ("name", "provider", "product", "gpus", "state", "is_stale", "last_heartbeat_at")
    list_filter = ("state", "is_stale")


@admin.register(HardwareReport)
class HardwareReportAdmin(ReadOnlyAdmin):
    list_display = ("node", "method", "is_accepted", "reason", "received_at")
