from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from hub.audit.models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(admin.ModelAdmin):
    """To read and search; what happened is not edited."""

    list_display = ("at", "actor", "action", "subject", "request_id")
    list_filter = ("action",)
    search_fields = ("actor", "subject", "request_id")
    ordering = ("-id",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
