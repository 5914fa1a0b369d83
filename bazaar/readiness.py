"""Is this process alive, and does everything it needs answer?"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path

import redis
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from bazaar import draining, monitoring, nodes, parts, schema
from bazaar.celery import SENT_AT, app
from foundation.errors import Refusal
from foundation.redis_connection import hasty_connection
from hub import blobstore

PROBE_KEY = "probe/ready"


def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. No dependency is checked, because a restart would not repair those."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every dependency answers, else 503. Callers that may watch the service see the faults.

    `?ignore=redis,objects` leaves these out, for balancers: all nodes share them, and a balancer that takes
    every node out serves less than nodes without one of them.
    """
    found = report(ignored=request.GET.get("ignore", "").split(","))
    shows = monitoring.may_watch(request)
    body = {
        "ready": not any(found.values()),
        "dependencies": {
            name: "ok" if not problem else problem if shows else "failed" for name, problem in found.items()
        },
    }
    return JsonResponse(body, status=200 if body["ready"] else 503)


def report(*, ignored: Collection[str] = ()) -> dict[str, str]:
    """Dependency → what is wrong with it, in the words of whatever noticed; empty when it is well."""
    found = {name: _problem_of(check) for name, check in CHECKS.items() if name not in ignored}
    if settings.PARTS_FILE:
        found["parts"] = parts.problem(Path(settings.PARTS_FILE))
    if draining.is_on():
        found["draining"] = "this node is drained and takes no new work"
    return found


def _problem_of(check: Callable[[], str]) -> str:
    """The problem that a check finds; an error that it does not expect is one too."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - a wrong key of S3, say: the probe and the metrics must answer
        return f"{type(error).__name__}: {error}"


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"{connection.vendor}: {error}".strip()
    return ""


def _schema() -> str:
    try:
        return schema.problem()
    except DatabaseError:
        # The check of the database says so.
        return ""


def _redis() -> str:
    try:
        hasty_connection().ping()
    except redis.RedisError as error:
        return str(error)
    return ""


def _objects() -> str:
    try:
        blobstore.get_store().exists(PROBE_KEY)
    except Refusal as refusal:
        return str(refusal)
    return ""


def _folder(name: str) -> Callable[[], str]:
    def check() -> str:
        folder = getattr(settings, name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"ready?")
        except OSError as error:
            return f"{folder}: {error.strerror}"
        return ""

    return check


def _git() -> str:
    return _folder("GIT_ROOT")() or nodes.problem_of_share(settings.GIT_ROOT)


def queue_lengths() -> dict[str, int]:
    """Tasks that wait in each queue; empty when Redis does not answer."""
    try:
        return {name: int(hasty_connection().llen(key)) for name, key in _queue_keys().items()}
    except redis.RedisError:
        return {}


def queue_ages() -> dict[str, float]:
    """Seconds that the oldest task of each queue has waited, 0 for an empty one; empty without Redis."""
    try:
        oldest = {name: hasty_connection().lindex(key, -1) for name, key in _queue_keys().items()}
    except redis.RedisError:
        return {}
    now = time.time()
    return {name: max(0.0, now - sent_at(message, now)) for name, message in oldest.items()}


def sent_at(message: bytes | str | None, now: float) -> float:
    """The time a queue's message was sent, in seconds since 1970; `now` for none, or if it has no time."""
    if message is None:
        return now
    try:
        value = json.loads(message)["headers"][SENT_AT]
    except (ValueError, KeyError, TypeError):
        return now
    return float(value) if isinstance(value, int | float) else now


def _queue_keys() -> dict[str, str]:
    prefix = str(settings.CELERY_BROKER_TRANSPORT_OPTIONS.get("global_keyprefix", ""))
    return {queue.name: f"{prefix}{queue.name}" for queue in app.amqp.queues.values()}


CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "redis": _redis,
    "git": _git,
    "objects": _objects,
    "scratch": _folder("TEMP_ROOT"),
    "schema": _schema,
}
