"""The audit log, to read and to search."""

from __future__ import annotations

from django.contrib import admin

from hub.audit.models import AuditEntry
from hub.operating import OperatorAdmin


@admin.register(AuditEntry)
class AuditEntryAdmin(OperatorAdmin):
    list_display = ("at", "actor", "action", "subject", "request_id")
    list_filter = ("action", "at")
    search_fields = ("actor", "subject", "request_id")
    ordering = ("-id",)
