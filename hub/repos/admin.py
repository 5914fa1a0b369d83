"""Repositories for operators: disabling one, and listing its users."""

from __future__ import annotations

from django.contrib import admin

from hub.operating import FreeableAdmin, OperatorAdmin
from hub.repos.models import AccessRequest, Collaborator, Repository, RepositoryRedirect


@admin.register(Repository)
class RepositoryAdmin(OperatorAdmin):
    """A disabled repository is closed for everybody; a deleted one is still here until its days are over."""

    editable = ("is_disabled", "is_archived", "discussions_disabled")
    list_display = (
        "full_name",
        "kind",
        "visibility",
        "gating",
        "size_bytes",
        "downloads_30d",
        "likes",
        "is_disabled",
        "updated_at",
        "deleted_at",
    )
    list_filter = ("kind", "visibility", "is_disabled", ("deleted_at", admin.EmptyFieldListFilter))
    list_select_related = ("namespace",)
    search_fields = ("full_name",)
    raw_id_fields = ("namespace", "created_by", "deleted_by")
    ordering = ("-id",)


@admin.register(RepositoryRedirect)
class RepositoryRedirectAdmin(FreeableAdmin):
    """A former id. Deleting it lets every contributor of the namespace use it again."""

    list_display = ("namespace_key", "key", "kind", "repository", "created_at")
    list_select_related = ("repository",)
    search_fields = ("key", "namespace_key")
    ordering = ("-id",)


@admin.register(Collaborator)
class CollaboratorAdmin(OperatorAdmin):
    list_display = ("repository", "user", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("repository", "user__namespace")
    search_fields = ("repository__full_name", "user__namespace__key")
    ordering = ("-id",)


@admin.register(AccessRequest)
class AccessRequestAdmin(OperatorAdmin):
    list_display = ("repository", "user", "status", "requested_at", "handled_at")
    list_filter = ("status",)
    list_select_related = ("repository", "user__namespace")
    search_fields = ("repository__full_name", "user__namespace__key")
    ordering = ("-id",)
