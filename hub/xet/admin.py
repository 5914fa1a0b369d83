"""The Xet store for operators: what lies in it and when it was last found right."""

from __future__ import annotations

from django.contrib import admin

from hub.operating import OperatorAdmin
from hub.xet.models import Shard, XetFile, Xorb


@admin.register(Xorb)
class XorbAdmin(OperatorAdmin):
    exclude = ("chunk_hashes", "stored_ends", "raw_ends")
    list_display = (
        "hash",
        "state",
        "stored_bytes",
        "raw_bytes",
        "chunk_count",
        "last_seen_at",
        "verified_at",
    )
    list_filter = ("state",)
    search_fields = ("hash__startswith",)
    ordering = ("-created_at",)


@admin.register(XetFile)
class XetFileAdmin(OperatorAdmin):
    list_display = ("hash", "sha256", "size", "created_at", "last_seen_at")
    search_fields = ("hash__startswith", "sha256__startswith")
    ordering = ("-id",)


@admin.register(Shard)
class ShardAdmin(OperatorAdmin):
    list_display = ("digest", "stored_bytes", "created_at")
    search_fields = ("digest__startswith",)
    ordering = ("-id",)
