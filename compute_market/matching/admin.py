"""The market's record for operators: to look at. What changes it are the use cases."""

from __future__ import annotations

from django.contrib import admin

from compute_market.ledger.admin import ReadOnlyAdmin
from compute_market.matching.models import Command, Cursor, Listing, Order, Outcome, Snapshot, Trade


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = (
        "pk",
        "account",
        "product",
        "side",
        "gpus",
        "price_micros_per_gpu_hour",
        "state",
        "reason",
    )
    list_filter = ("state", "side")
    list_select_related = ("account", "product")


@admin.register(Trade)
class TradeAdmin(ReadOnlyAdmin):
    list_display = (
        "shard_id",
        "sequence",
        "product",
        "gpus",
        "price_micros_per_gpu_hour",
        "start",
        "end",
        "at",
    )
    list_select_related = ("product",)


@admin.register(Command)
class CommandAdmin(ReadOnlyAdmin):
    list_display = ("shard_id", "sequence", "kind", "order_id", "accepted_at")
    list_filter = ("kind",)


@admin.register(Listing)
class ListingAdmin(ReadOnlyAdmin):
    list_display = ("product", "trading", "is_stopped", "index_micros", "lowest_micros", "highest_micros")
    list_select_related = ("product",)


@admin.register(Cursor)
class CursorAdmin(ReadOnlyAdmin):
    list_display = ("shard_id", "sequence", "event_number", "epoch", "holder", "held_until", "drained_at")


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnlyAdmin):
    list_display = ("shard_id", "sequence", "state_hash", "taken_at")
    exclude = ("state",)


@admin.register(Outcome)
class OutcomeAdmin(ReadOnlyAdmin):
    list_display = ("shard_id", "sequence", "accepted", "reason")
