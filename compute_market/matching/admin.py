"""The market's record for operators, read-only: only use cases change it."""

from __future__ import annotations

from django.contrib import admin

from compute_market.ledger.admin import ReadOnlyAdmin, in_credits, owner_of
from compute_market.matching.models import Command, Cursor, Listing, Order, Outcome, Snapshot, Trade


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = (
        "pk",
        owner_of("account"),
        "product",
        "side",
        "gpus",
        in_credits("price_micros_per_gpu_hour"),
        "start",
        "end",
        "state",
        "reason",
        "placed_at",
    )
    list_filter = ("state", "side")
    list_select_related = ("account__namespace", "product")
    search_fields = ("account__namespace__key", "product__slug", "client_order_id")
    ordering = ("-pk",)


@admin.register(Trade)
class TradeAdmin(ReadOnlyAdmin):
    list_display = (
        "shard_id",
        "sequence",
        "product",
        owner_of("buyer"),
        owner_of("seller"),
        "gpus",
        in_credits("price_micros_per_gpu_hour"),
        in_credits("notional_micros"),
        "start",
        "end",
        "at",
    )
    list_select_related = ("product", "buyer__namespace", "seller__namespace")
    search_fields = ("product__slug", "buyer__namespace__key", "seller__namespace__key")
    ordering = ("-pk",)


@admin.register(Command)
class CommandAdmin(ReadOnlyAdmin):
    list_display = ("shard_id", "sequence", "kind", "order_id", "accepted_at")
    list_filter = ("kind", "shard")
    search_fields = ("order__pk",)
    ordering = ("-pk",)


@admin.register(Listing)
class ListingAdmin(ReadOnlyAdmin):
    list_display = (
        "product",
        "trading",
        "is_stopped",
        in_credits("index_micros"),
        in_credits("lowest_micros"),
        in_credits("highest_micros"),
        "changed_at",
    )
    list_filter = ("is_stopped", "trading")
    list_select_related = ("product",)
    search_fields = ("product__slug",)


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
    list_filter = ("accepted", "reason")
    ordering = ("-pk",)
