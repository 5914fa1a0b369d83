"""Large objects for operators."""

from __future__ import annotations

from django.contrib import admin

from hub.lfs.models import LfsLink, LfsObject, LfsUpload
from hub.operating import OperatorAdmin


@admin.register(LfsObject)
class LfsObjectAdmin(OperatorAdmin):
    list_display = ("oid", "size_bytes", "created_at", "verified_at", "touched_at")
    search_fields = ("oid__startswith",)
    raw_id_fields = ("xet_file",)
    ordering = ("-created_at",)


@admin.register(LfsLink)
class LfsLinkAdmin(OperatorAdmin):
    list_display = ("repository", "object", "created_at", "pushed_at")
    list_select_related = ("repository", "object")
    search_fields = ("repository__full_name", "object__oid__startswith")
    ordering = ("-id",)


@admin.register(LfsUpload)
class LfsUploadAdmin(OperatorAdmin):
    """Uploads in progress; a row is deleted with the end of its upload, or after its grace period."""

    list_display = ("oid", "repository", "user", "size_bytes", "part_bytes", "created_at")
    list_select_related = ("repository", "user__namespace")
    search_fields = ("oid__startswith", "repository__full_name")
    ordering = ("-created_at",)
