"""Use cases of webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from foundation.errors import Exhausted, Invalid
from hub.accounts import policies as accounts
from hub.accounts.models import name_key
from hub.accounts.principals import Principal
from hub.community import tasks, webhook_addresses
from hub.community.errors import DeliveryNotFound, WebhookNotFound
from hub.community.models import Delivery, Domain, WatchedType, Webhook, WebhookWatch
from hub.community.models.webhooks import URL_CHARS_MAX
from hub.community.selectors import webhooks as selectors

WEBHOOKS_MAX = 50
WATCHED_MAX = 200
SECRET_CHARS_MAX = 256


@dataclass(frozen=True, slots=True)
class WebhookChange:
    """Fields that can be given; None leaves a field as it is. `watched` holds (type, name) pairs."""

    url: str | None = None
    secret: str | None = None
    domains: Sequence[str] | None = None
    watched: Sequence[tuple[str, str]] | None = None


def create_webhook(*, actor: Principal, request: WebhookChange, now: datetime) -> Webhook:
    """Watched names need not exist. Raises: Unauthenticated, Denied, Invalid, AddressForbidden, Exhausted."""
    accounts.require_account_owner(actor)
    if not request.url or not request.watched:
        raise Invalid(reason=_("A webhook needs a url and something to watch."))
    _require_valid(request)
    with transaction.atomic(durable=True):
        if Webhook.objects.filter(owner=actor.user).count() >= WEBHOOKS_MAX:
            raise Exhausted(reason=_("An account has at most {limit} webhooks.").format(limit=WEBHOOKS_MAX))
        webhook = Webhook(owner=actor.user, created_at=now, domains=list(Domain.values))
        _apply(webhook, request, now)
    return webhook


def change_webhook(*, actor: Principal, webhook: Webhook, change: WebhookChange, now: datetime) -> Webhook:
    """Raises: what `create_webhook` raises, WebhookNotFound."""
    accounts.require_account_owner(actor)
    _require_valid(change)
    with transaction.atomic(durable=True):
        locked = _locked(webhook)
        _apply(locked, change, now)
    return locked


def _locked(webhook: Webhook) -> Webhook:
    """Hold the row until the transaction ends. Raises: WebhookNotFound."""
    locked = Webhook.objects.select_for_update().filter(pk=webhook.pk).first()
    if locked is None:
        raise WebhookNotFound
    return locked


def _apply(webhook: Webhook, change: WebhookChange, now: datetime) -> None:
    """Step: write the row and the names it watches."""
    if change.url is not None:
        webhook.url = change.url
    if change.secret is not None:
        webhook.secret = change.secret
    if change.domains is not None:
        webhook.domains = sorted(set(change.domains), reverse=True)
    webhook.updated_at = now
    webhook.save()
    if change.watched is not None:
        wanted = {(type_, name_key(name)): name for type_, name in change.watched}
        webhook.watched.all().delete()
        WebhookWatch.objects.bulk_create(
            WebhookWatch(webhook=webhook, type=type_, key=key, name=name)
            for (type_, key), name in wanted.items()
        )


def _require_valid(change: WebhookChange) -> None:
    """Raises: Invalid, AddressForbidden."""
    if change.url is not None:
        parts = webhook_addresses.split_url(change.url)
        if len(change.url) > URL_CHARS_MAX:
            raise Invalid(reason=_("This URL is too long."))
        if not settings.WEBHOOKS_MAY_CALL_PRIVATE_ADDRESSES:
            webhook_addresses.require_literal_public(parts)
    if change.secret is not None:
        _require_secret(change.secret)
    if change.domains is not None and not (change.domains and set(change.domains) <= set(Domain.values)):
        raise Invalid(reason=f"domains are some of {', '.join(Domain.values)}.")
    if change.watched is not None:
        _require_watched(change.watched)


def _require_secret(secret: str) -> None:
    """It travels in a header. Raises: Invalid."""
    if len(secret) > SECRET_CHARS_MAX or not secret.isascii() or (secret and not secret.isprintable()):
        raise Invalid(
            reason=_("A secret has at most {limit} printable ASCII characters.").format(
                limit=SECRET_CHARS_MAX
            )
        )


def _require_watched(watched: Sequence[tuple[str, str]]) -> None:
    """Raises: Invalid."""
    if not 1 <= len(watched) <= WATCHED_MAX:
        raise Invalid(reason=_("A webhook watches 1 to {limit} names.").format(limit=WATCHED_MAX))
    for type_, name in watched:
        is_owner = type_ in {WatchedType.USER, WatchedType.ORG}
        if type_ not in WatchedType.values:
            raise Invalid(reason=f"A watched type is one of {', '.join(WatchedType.values)}.")
        if not 1 <= len(name) <= 193 or name.count("/") != (0 if is_owner else 1):
            raise Invalid(
                reason=_("“{name}” is not the name of a {type}.").format(name=name[:100], type=type_)
            )


def set_enabled(*, actor: Principal, webhook: Webhook, is_enabled: bool, now: datetime) -> Webhook:
    """A disabled webhook gets no calls, and its waiting calls are dropped. If it is enabled again, its
    failure count starts anew.

    Raises: Unauthenticated, Denied, WebhookNotFound.
    """
    accounts.require_account_owner(actor)
    with transaction.atomic(durable=True):
        locked = _locked(webhook)
        locked.is_disabled, locked.disabled_reason = not is_enabled, ""
        locked.failing_since, locked.updated_at = None, now
        locked.save()
    return locked


def delete_webhook(*, actor: Principal, webhook: Webhook) -> None:
    """Delete a webhook with its deliveries; one that is gone stays gone. Raises: Unauthenticated, Denied."""
    accounts.require_account_owner(actor)
    with transaction.atomic(durable=True):
        # Locked before its deliveries, in the order of `jobs._record`.
        locked = Webhook.objects.select_for_update().filter(pk=webhook.pk).first()
        if locked is not None:
            locked.delete()


def redeliver(*, actor: Principal, webhook: Webhook, key: str, now: datetime) -> Delivery:
    """Queue a copy of an earlier call. Raises: Unauthenticated, Denied, DeliveryNotFound, WebhookNotFound."""
    accounts.require_account_owner(actor)
    past = selectors.deliveries_of(webhook).filter(key=key).first()
    if past is None:
        raise DeliveryNotFound
    with transaction.atomic(durable=True):
        _locked(webhook)
        again = Delivery.objects.create(webhook=webhook, payload=past.payload, due_at=now, created_at=now)
        tasks.enqueue(tasks.deliver_due)
    return again
