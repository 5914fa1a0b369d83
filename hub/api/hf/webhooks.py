"""Webhooks (docs/wire/huggingface.md#webhooks)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from foundation.errors import Unsupported
from hub.api.hf.http import actor, route
from hub.api.hf.paging import newest_first
from hub.api.json import MalformedBody, json_body, json_response, list_of, text_of, timestamp
from hub.community.models import Delivery, Webhook
from hub.community.selectors import webhooks as selectors
from hub.community.services import webhooks as services

WATCHED_SENT_MAX = 1000
DOMAINS_SENT_MAX = 10


def _webhook(found: Webhook) -> dict[str, Any]:
    """Newer clients need `job`'s absence, older ones the keys `url` and `secret`."""
    return {
        "id": found.key,
        "url": found.url,
        "secret": found.secret or None,
        "job": None,
        "watched": [{"type": watch.type, "name": watch.name} for watch in found.watched.all()],
        "domains": found.domains,
        "disabled": found.is_disabled,
        "disabledReason": found.disabled_reason or None,
    }


def _one(found: Webhook) -> HttpResponse:
    return json_response({"webhook": _webhook(found)})


def _get(request: HttpRequest, key: str) -> Webhook:
    return selectors.get_webhook(actor=actor(request), key=key)


def _change(body: dict[str, Any]) -> services.WebhookChange:
    if body.get("jobSourceId") is not None or body.get("job") is not None:
        raise Unsupported(feature="Starting jobs from webhooks")
    return services.WebhookChange(
        url=text_of(body, "url") if body.get("url") is not None else None,
        secret=text_of(body, "secret") if body.get("secret") is not None else None,
        domains=_domains(body) if body.get("domains") is not None else None,
        # The client sends an empty list where it means "leave it".
        watched=_watched(body) if body.get("watched") else None,
    )


def _domains(body: dict[str, Any]) -> list[str]:
    domains = list_of(body, "domains", limit=DOMAINS_SENT_MAX)
    # A hub whose client knows `repos` and `discussions` for the same is no reason to refuse.
    return [str(domain).removesuffix("s") for domain in domains]


def _watched(body: dict[str, Any]) -> list[tuple[str, str]]:
    watched = []
    for item in list_of(body, "watched", limit=WATCHED_SENT_MAX):
        if not isinstance(item, dict):
            raise MalformedBody(reason="“watched” holds objects")
        watched.append((text_of(item, "type"), text_of(item, "name")))
    return watched


def index(request: HttpRequest) -> HttpResponse:
    return json_response([_webhook(found) for found in selectors.list_webhooks(actor=actor(request))])


def create(request: HttpRequest) -> HttpResponse:
    made = services.create_webhook(
        actor=actor(request), request=_change(json_body(request)), now=timezone.now()
    )
    return _one(made)


def show(request: HttpRequest, key: str) -> HttpResponse:
    return _one(_get(request, key))


def update(request: HttpRequest, key: str) -> HttpResponse:
    found = _get(request, key)
    changed = services.change_webhook(
        actor=actor(request), webhook=found, change=_change(json_body(request)), now=timezone.now()
    )
    return _one(changed)


def delete(request: HttpRequest, key: str) -> HttpResponse:
    services.delete_webhook(actor=actor(request), webhook=_get(request, key))
    return json_response({"success": True})


def set_enabled(request: HttpRequest, key: str, *, is_enabled: bool) -> HttpResponse:
    changed = services.set_enabled(
        actor=actor(request), webhook=_get(request, key), is_enabled=is_enabled, now=timezone.now()
    )
    return _one(changed)


def _delivery(found: Delivery) -> dict[str, Any]:
    return {
        "id": found.key,
        "status": found.status,
        "event": found.payload.get("event"),
        "attempts": found.attempts,
        "responseStatus": found.response_status,
        "response": found.response_text,
        "error": found.error or None,
        "durationMs": found.duration_ms,
        "createdAt": timestamp(found.created_at),
        "finishedAt": timestamp(found.finished_at) if found.finished_at else None,
        "payload": found.payload,
    }


def deliveries(request: HttpRequest, key: str) -> HttpResponse:
    """The log: not of the client's wire, but of the page that shows it."""
    return newest_first(request, selectors.deliveries_of(_get(request, key)), _delivery)


def redeliver(request: HttpRequest, key: str, delivery: str) -> HttpResponse:
    again = services.redeliver(
        actor=actor(request), webhook=_get(request, key), key=delivery, now=timezone.now()
    )
    return json_response(_delivery(again))


_hook = "api/settings/webhooks/<segment:key>"
urlpatterns = [
    path("api/settings/webhooks", route(GET=index, POST=create)),
    path(_hook, route(GET=show, POST=update, DELETE=delete)),
    path(f"{_hook}/enable", route(POST=set_enabled), {"is_enabled": True}),
    path(f"{_hook}/disable", route(POST=set_enabled), {"is_enabled": False}),
    path(f"{_hook}/deliveries", route(GET=deliveries)),
    path(f"{_hook}/deliveries/<segment:delivery>/redeliver", route(POST=redeliver)),
]
