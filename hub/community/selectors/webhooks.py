"""Reads of webhooks: each sees their own."""

from __future__ import annotations

from django.db.models import QuerySet

from hub.accounts import policies as accounts
from hub.accounts.principals import Principal
from hub.community.errors import WebhookNotFound
from hub.community.models import Delivery, Webhook


def list_webhooks(*, actor: Principal) -> QuerySet[Webhook]:
    """Newest first, with what they watch. Raises: Unauthenticated, Denied."""
    accounts.require_account_owner(actor)
    return Webhook.objects.filter(owner=actor.user).prefetch_related("watched").order_by("-id")


def get_webhook(*, actor: Principal, key: str) -> Webhook:
    """Raises: Unauthenticated, Denied, WebhookNotFound (also for another's)."""
    found = list_webhooks(actor=actor).filter(key=key).first()
    if found is None:
        raise WebhookNotFound
    return found


def deliveries_of(webhook: Webhook) -> QuerySet[Delivery]:
    """The log, newest first."""
    return webhook.deliveries.order_by("-id")
