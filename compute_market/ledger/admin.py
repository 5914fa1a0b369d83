"""The ledger in the operator's pages: to look at, never to edit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from compute_market.ledger.models import Account, Reservation, Transfer


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows are written by use cases only."""

    list_per_page = 50
    # Counting a large table takes longer than showing a page of it.
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


def in_credits(field: str) -> Callable[[Any], str]:
    """A column of a field in micro-credits, as people read it: 1250000 → 1.25."""

    @admin.display(description=field.removesuffix("_micros").replace("_", " "), ordering=field)
    def column(row: Any) -> str:
        micros = getattr(row, field)
        if micros is None:
            return ""
        units, rest = divmod(abs(micros), 1_000_000)
        decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
        return f"{'-' if micros < 0 else ''}{units:,}.{decimals}"

    return column


def owner_of(path: str) -> Callable[[Any], str]:
    """A column with the owner of the account at a path: the namespace, or the purpose of the account."""

    @admin.display(description=path or "owner")
    def column(row: Any) -> str:
        account = getattr(row, path) if path else row
        return account.namespace.name if account.namespace_id else str(account)

    return column


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "kind",
        owner_of(""),
        "shard",
        in_credits("balance_micros"),
        in_credits("held_micros"),
        "opened_at",
    )
    list_filter = ("kind",)
    list_select_related = ("namespace",)
    search_fields = ("namespace__key",)
    ordering = ("-id",)


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        owner_of("account"),
        in_credits("amount_micros"),
        in_credits("drawn_micros"),
        "state",
        "cause",
        "opened_at",
        "ended_at",
    )
    list_filter = ("state",)
    list_select_related = ("account__namespace",)
    search_fields = ("account__namespace__key", "cause")
    ordering = ("-id",)


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "at",
        "kind",
        in_credits("amount_micros"),
        owner_of("debit"),
        owner_of("credit"),
        "cause",
    )
    list_filter = ("kind",)
    list_select_related = ("debit__namespace", "credit__namespace")
    search_fields = ("debit__namespace__key", "credit__namespace__key", "cause")
    ordering = ("-id",)
