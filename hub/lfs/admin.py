from django.contrib import admin

from hub.lfs.models import LfsLink, LfsObject, LfsUpload


@admin.register(LfsObject)
class LfsObjectAdmin(admin.ModelAdmin):
    list_display = ("oid", "size_bytes", "created_at", "verified_at")
    search_fields = ("oid__startswith",)
    readonly_fields = ("oid", "size_bytes", "blob_key", "created_at", "verified_at", "touched_at")


@admin.register(LfsLink)
class LfsLinkAdmin(admin.ModelAdmin):
    list_display = ("repository", "object", "created_at", "pushed_at")
    list_select_related = ("repository", "object")
    raw_id_fields = ("repository", "object")
    search_fields = ("object__oid__startswith",)


@admin.register(LfsUpload)
class LfsUploadAdmin(admin.ModelAdmin):
    list_display = ("oid", "repository", "size_bytes", "part_bytes", "created_at")
    raw_id_fields = ("repository", "user")
