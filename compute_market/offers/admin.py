"""Supply in the operator's pages. Products may be edited; nodes and reports are looked at."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.forms import ModelForm
from django.http import HttpRequest

from compute_market.ledger.admin import ReadOnlyAdmin, in_credits
from compute_market.offers.models import CancellationTerm, HardwareReport, Node, Product, Provider
from compute_market.offers.signals import product_changed
from foundation import clock


class CancellationTermInline(admin.TabularInline):
    """Terms stand as they are, for the leases that were bought under them; a new one is added."""

    model = CancellationTerm
    extra = 0
    fields = ("free_hours", "fee_bps", "since")
    readonly_fields = ("since",)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = (
        "slug",
        "state",
        "shard",
        in_credits("tick_micros"),
        in_credits("reference_price_micros"),
        "band_bps",
    )
    list_filter = ("state", "vendor", "region", "tier")
    inlines = (CancellationTermInline,)
    search_fields = ("slug",)

    def save_model(self, request: HttpRequest, obj: Product, form: ModelForm, change: bool) -> None:  # noqa: FBT001
        """Tell the matching room that terms or state have changed, in the same transaction."""
        super().save_model(request, obj, form, change)
        now = clock.database_now()
        product_changed.send(sender=Product, product_id=obj.pk, shard=obj.shard_id, now=now)

    def save_formset(self, request: HttpRequest, form: ModelForm, formset: Any, change: bool) -> None:  # noqa: FBT001
        """A term stands from the moment at which it is added."""
        for term in formset.save(commit=False):
            term.since = clock.database_now()
            term.save()

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """A product stays in the shard whose log has its orders, and keeps its name."""
        return () if obj is None else ("shard", "slug")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Provider)
class ProviderAdmin(ReadOnlyAdmin):
    list_display = ("id", "namespace", "allows_processes", "is_demo", "created_at")
    list_filter = ("is_demo", "allows_processes")
    list_select_related = ("namespace",)
    search_fields = ("namespace__key",)


@admin.register(Node)
class NodeAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "owner",
        "product",
        "gpus",
        "state",
        "is_stale",
        "lacks_bond",
        "last_heartbeat_at",
        "state_reason",
    )
    list_filter = ("state", "is_stale", "lacks_bond")
    list_select_related = ("provider__namespace", "product")
    search_fields = ("name", "provider__namespace__key", "product__slug")

    @admin.display(description="provider", ordering="provider__namespace__key")
    def owner(self, node: Node) -> str:
        return node.provider.namespace.name


@admin.register(HardwareReport)
class HardwareReportAdmin(ReadOnlyAdmin):
    list_display = ("node", "method", "is_accepted", "reason", "received_at")
    list_filter = ("is_accepted", "method")
    list_select_related = ("node",)
    search_fields = ("node__name",)
    ordering = ("-pk",)
