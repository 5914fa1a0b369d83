"""Is this process alive, and does everything it needs answer?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import redis
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from bazaar import monitoring, nodes
from bazaar.celery import app
from foundation.errors import Refusal
from foundation.redis_connection import hasty_connection
from hub import blobstore

PROBE_KEY = "probe/ready"


def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. No dependency is checked, because a restart would not repair those."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every dependency answers, else 503. Callers that may watch the service see the faults."""
    found = report()
    shows = monitoring.may_watch(request)
    body = {
        "ready": not any(found.values()),
        "dependencies": {
            name: "ok" if not problem else problem if shows else "failed" for name, problem in found.items()
        },
    }
    return JsonResponse(body, status=200 if body["ready"] else 503)


def report() -> dict[str, str]:
    """Dependency → what is wrong with it, in the words of whatever noticed; empty when it is well."""
    return {name: check() for name, check in CHECKS.items()}


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"{connection.vendor}: {error}".strip()
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
    prefix = str(settings.CELERY_BROKER_TRANSPORT_OPTIONS.get("global_keyprefix", ""))
    names = [queue.name for queue in app.amqp.queues.values()]
    try:
        return {name: int(hasty_connection().llen(f"{prefix}{name}")) for name in names}
    except redis.RedisError:
        return {}


CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "redis": _redis,
    "git": _git,
    "objects": _objects,
    "scratch": _folder("TEMP_ROOT"),
}
