"""People, organizations and tokens for operators."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.models import Group

from hub.accounts.models import AccessToken, Membership, Namespace, NamespaceRedirect, User
from hub.operating import FreeableAdmin, OperatorAdmin

# Rights come from roles and from `is_staff`; groups would say nothing.
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(OperatorAdmin):
    """An account that is not active can neither sign in nor use its tokens."""

    editable = ("is_active", "is_staff", "is_superuser", "email", "language")
    exclude = ("password",)
    list_display = ("namespace", "email", "is_active", "is_staff", "last_login", "created_at")
    list_filter = ("is_active", "is_staff")
    list_select_related = ("namespace",)
    search_fields = ("namespace__key", "email")
    ordering = ("-id",)


@admin.register(Namespace)
class NamespaceAdmin(OperatorAdmin):
    editable = ("is_verified", "storage_quota_bytes", "repository_quota")
    list_display = ("name", "kind", "full_name", "is_verified", "storage_quota_bytes", "created_at")
    list_filter = ("kind", "is_verified")
    search_fields = ("key", "full_name")
    ordering = ("-id",)


@admin.register(NamespaceRedirect)
class NamespaceRedirectAdmin(FreeableAdmin):
    """A former name. After its deletion, everybody may take the name."""

    list_display = ("key", "namespace", "created_at")
    list_select_related = ("namespace",)
    search_fields = ("key", "namespace__key")
    ordering = ("-id",)


@admin.register(Membership)
class MembershipAdmin(OperatorAdmin):
    list_display = ("organization", "user", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("organization", "user__namespace")
    search_fields = ("organization__key", "user__namespace__key")
    ordering = ("-id",)


@admin.register(AccessToken)
class AccessTokenAdmin(OperatorAdmin):
    """Shortened by its end: a token that expires now is a revoked one that can still be looked at."""

    editable = ("expires_at",)
    exclude = ("digest",)
    list_display = ("name", "user", "hint", "scopes", "is_fine_grained", "last_used_at", "expires_at")
    list_filter = ("is_fine_grained",)
    list_select_related = ("user__namespace",)
    search_fields = ("name", "user__namespace__key", "hint")
    ordering = ("-id",)
