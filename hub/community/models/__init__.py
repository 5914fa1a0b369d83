"""Social features around repositories: likes, discussions, collections, followers, watches, notifications."""

from hub.community.models.collections import Collection, CollectionItem, CollectionUpvote, ItemType, Theme
from hub.community.models.discussions import Discussion, DiscussionEvent, EventType, PastText, Status
from hub.community.models.people import (
    Follow,
    Like,
    Notice,
    NoticeKind,
    NoticeSettings,
    Notification,
    Watch,
)
from hub.community.models.webhooks import Delivery, Domain, WatchedType, Webhook, WebhookWatch

__all__ = [
    "Collection",
    "CollectionItem",
    "CollectionUpvote",
    "Delivery",
    "Discussion",
    "DiscussionEvent",
    "Domain",
    "EventType",
    "Follow",
    "ItemType",
    "Like",
    "Notice",
    "NoticeKind",
    "NoticeSettings",
    "Notification",
    "PastText",
    "Status",
    "Theme",
    "Watch",
    "WatchedType",
    "Webhook",
    "WebhookWatch",
]
