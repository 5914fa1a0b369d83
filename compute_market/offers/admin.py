"""Supply in the operator's pages. Products may be edited; nodes and reports are looked at."""

from django.contrib import admin
from django.db.models import Model
from django.forms import ModelForm
from django.http import HttpRequest

from compute_market import clock
from compute_market.ledger.admin import ReadOnlyAdmin
from compute_market.offers.models import HardwareReport, Node, Product, Provider
from compute_market.offers.signals import product_changed


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ("slug", "state", "shard", "tick_micros", "reference_price_micros", "band_bps")
    list_filter = ("state", "vendor", "region", "tier")
    search_fields = ("slug",)

    def save_model(self, request: HttpRequest, obj: Product, form: ModelForm, change: bool) -> None:  # noqa: FBT001
        """A change of terms or state is news to the matching room, in the same transaction."""
        super().save_model(request, obj, form, change)
        now = clock.database_now()
        product_changed.send(sender=Product, product_id=obj.pk, shard=obj.shard_id, now=now)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


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
