"""Discussions, collections and webhooks for operators."""

from __future__ import annotations

from django.contrib import admin

from hub.community.models import Collection, Delivery, Discussion, Webhook
from hub.operating import OperatorAdmin


@admin.register(Discussion)
class DiscussionAdmin(OperatorAdmin):
    list_display = (
        "repository",
        "number",
        "title",
        "author",
        "status",
        "is_pull_request",
        "comment_count",
        "created_at",
    )
    list_filter = ("status", "is_pull_request")
    list_select_related = ("repository", "author__namespace")
    search_fields = ("title", "repository__full_name", "author__namespace__key")
    ordering = ("-id",)


@admin.register(Collection)
class CollectionAdmin(OperatorAdmin):
    list_display = ("title", "namespace", "is_private", "upvotes", "updated_at")
    list_filter = ("is_private",)
    list_select_related = ("namespace",)
    search_fields = ("title", "namespace__key")
    ordering = ("-id",)


@admin.register(Webhook)
class WebhookAdmin(OperatorAdmin):
    """One that troubles somebody can be switched off here."""

    editable = ("is_disabled", "disabled_reason")
    exclude = ("secret",)
    list_display = ("url", "owner", "is_disabled", "failing_since", "created_at")
    list_filter = ("is_disabled",)
    list_select_related = ("owner__namespace",)
    search_fields = ("url", "owner__namespace__key")
    ordering = ("-id",)


@admin.register(Delivery)
class DeliveryAdmin(OperatorAdmin):
    list_display = ("key", "webhook", "status", "attempts", "response_status", "duration_ms", "due_at")
    list_filter = ("status",)
    list_select_related = ("webhook",)
    search_fields = ("key", "webhook__url")
    ordering = ("-id",)
