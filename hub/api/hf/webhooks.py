"""Webhooks (docs/wire/huggingface.md#webhooks)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from foundation.errors import Unsupported
from hub.api.hf import bodies
from hub.api.hf.answers import webhooks as answers
from hub.api.hf.answers.common import Success
from hub.api.hf.http import actor, route
from hub.api.hf.paging import newest_first
from hub.api.json import timestamp
from hub.api.structs import answer_with, body_of
from hub.community.models import Delivery, Webhook
from hub.community.selectors import webhooks as selectors
from hub.community.services import webhooks as services


def _webhook(found: Webhook) -> answers.Webhook:
    return answers.Webhook(
        id=found.key,
        url=found.url,
        secret=found.secret or None,
        job=None,
        watched=[answers.Watched(type=watch.type, name=watch.name) for watch in found.watched.all()],
        domains=found.domains,
        disabled=found.is_disabled,
        disabled_reason=found.disabled_reason or None,
    )


def _one(found: Webhook) -> HttpResponse:
    return answer_with(answers.OneWebhook(webhook=_webhook(found)))


def _get(request: HttpRequest, key: str) -> Webhook:
    return selectors.get_webhook(actor=actor(request), key=key)


def _change(request: HttpRequest) -> services.WebhookChange:
    """Raises: MalformedBody, Unsupported."""
    body = body_of(request, bodies.Webhook)
    if body.job_source_id is not None or body.job is not None:
        raise Unsupported(feature="Starting jobs from webhooks")
    return services.WebhookChange(
        url=body.url,
        secret=body.secret,
        # A hub whose client knows `repos` and `discussions` for the same is no reason to refuse.
        domains=None if body.domains is None else [str(domain).removesuffix("s") for domain in body.domains],
        watched=[(item.type, item.name) for item in body.watched] if body.watched else None,
    )


def index(request: HttpRequest) -> HttpResponse:
    return answer_with([_webhook(found) for found in selectors.list_webhooks(actor=actor(request))])


def create(request: HttpRequest) -> HttpResponse:
    made = services.create_webhook(actor=actor(request), request=_change(request), now=timezone.now())
    return _one(made)


def show(request: HttpRequest, key: str) -> HttpResponse:
    return _one(_get(request, key))


def update(request: HttpRequest, key: str) -> HttpResponse:
    found = _get(request, key)
    changed = services.change_webhook(
        actor=actor(request), webhook=found, change=_change(request), now=timezone.now()
    )
    return _one(changed)


def delete(request: HttpRequest, key: str) -> HttpResponse:
    services.delete_webhook(actor=actor(request), webhook=_get(request, key))
    return answer_with(Success(success=True))


def set_enabled(request: HttpRequest, key: str, *, is_enabled: bool) -> HttpResponse:
    changed = services.set_enabled(
        actor=actor(request), webhook=_get(request, key), is_enabled=is_enabled, now=timezone.now()
    )
    return _one(changed)


def _delivery(found: Delivery) -> answers.Delivery:
    return answers.Delivery(
        id=found.key,
        status=found.status,
        event=found.payload.get("event"),
        attempts=found.attempts,
        response_status=found.response_status,
        response=found.response_text,
        error=found.error or None,
        duration_ms=found.duration_ms,
        created_at=timestamp(found.created_at),
        finished_at=timestamp(found.finished_at) if found.finished_at else None,
        payload=found.payload,
    )


def deliveries(request: HttpRequest, key: str) -> HttpResponse:
    """The log: not of the client's wire, but of the page that shows it."""
    return newest_first(request, selectors.deliveries_of(_get(request, key)), _delivery)


def redeliver(request: HttpRequest, key: str, delivery: str) -> HttpResponse:
    again = services.redeliver(
        actor=actor(request), webhook=_get(request, key), key=delivery, now=timezone.now()
    )
    return answer_with(_delivery(again))


_hook = "api/settings/webhooks/<segment:key>"
urlpatterns = [
    path("api/settings/webhooks", route(GET=index, POST=create)),
    path(_hook, route(GET=show, POST=update, DELETE=delete)),
    path(f"{_hook}/enable", route(POST=set_enabled), {"is_enabled": True}),
    path(f"{_hook}/disable", route(POST=set_enabled), {"is_enabled": False}),
    path(f"{_hook}/deliveries", route(GET=deliveries)),
    path(f"{_hook}/deliveries/<segment:delivery>/redeliver", route(POST=redeliver)),
]
