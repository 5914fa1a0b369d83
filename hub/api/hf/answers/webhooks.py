"""Webhooks and the log of their calls."""

from __future__ import annotations

from typing import Any

from hub.api.structs import Answer


class Watched(Answer):
    type: str
    name: str


class Webhook(Answer, rename="camel"):
    """Newer clients need `job` to be null, older ones the keys `url` and `secret`."""

    id: str
    url: str
    secret: str | None
    job: None
    watched: list[Watched]
    domains: list[str]
    disabled: bool
    disabled_reason: str | None


class OneWebhook(Answer):
    webhook: Webhook


class Delivery(Answer, rename="camel"):
    """A call of a webhook. `payload` is the body that was sent, `event` a part of it."""

    id: str
    status: str
    event: Any
    attempts: int
    response_status: int | None
    response: str
    error: str | None
    duration_ms: int | None
    created_at: str
    finished_at: str | None
    payload: dict[str, Any]
