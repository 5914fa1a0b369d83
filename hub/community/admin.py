from django.contrib import admin

from hub.community.models import Collection, Delivery, Discussion, Webhook


@admin.register(Discussion)
class DiscussionAdmin(admin.ModelAdmin):
    list_display = ("repository", "number", "title", "status", "is_pull_request", "created_at")
    list_filter = ("status", "is_pull_request")
    list_select_related = ("repository",)
    search_fields = ("title", "repository__full_name")
    raw_id_fields = ("repository", "author")


@admin.register(Collection)
class CollectionAdmin(admin.ModelAdmin):
    list_display = ("title", "namespace", "is_private", "upvotes", "updated_at")
    list_select_related = ("namespace",)
    search_fields = ("title", "namespace__name")
    raw_id_fields = ("namespace", "created_by")


@admin.register(Webhook)
class WebhookAdmin(admin.ModelAdmin):
    list_display = ("url", "owner", "is_disabled", "failing_since", "created_at")
    list_filter = ("is_disabled",)
    list_select_related = ("owner__namespace",)
    raw_id_fields = ("owner",)
    exclude = ("secret",)


@admin.register(Delivery)
class DeliveryAdmin(admin.ModelAdmin):
    list_display = ("key", "webhook", "status", "attempts", "response_status", "due_at")
    list_filter = ("status",)
    list_select_related = ("webhook",)
    raw_id_fields = ("webhook",)
