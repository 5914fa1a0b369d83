"""The ledger in the operator's pages: to look at, never to edit."""

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from compute_market.ledger.models import Account, Reservation, Transfer


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows are written by use cases only."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    list_display = ("id", "kind", "namespace", "shard", "balance_micros", "held_micros")
    list_filter = ("kind",)
    list_select_related = ("namespace",)


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyAdmin):
    list_display = ("id", "account", "amount_micros", "drawn_micros", "state", "cause", "opened_at")
    list_filter = ("state",)


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    list_display = ("id", "at", "kind", "amount_micros", "debit", "credit", "cause")
    list_filter = ("kind",)
