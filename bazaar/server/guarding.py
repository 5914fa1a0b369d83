"""Requests wait for the schema: until the migrations of this release are applied, all are answered by 503.

Otherwise a node of a new release that is started before `migrate` answers 500 where it reads a new column.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.db import Error as DatabaseError

from bazaar import schema

if TYPE_CHECKING:
    from bazaar.server.http.answering import WsgiApplication

log = logging.getLogger(__name__)

# They read no tables of the hub, and say what is missing.
PROBES = frozenset({"/healthz", "/readyz"})
LOOK_SECONDS = 1.0
TEXT = b"The hub is being brought up to date. Try again in a few seconds.\n"


class SchemaGuard:
    """A WSGI application that answers in place of another one as long as migrations wait."""

    def __init__(self, application: WsgiApplication) -> None:
        self.application = application
        self._is_current = False
        self._looked_at = -LOOK_SECONDS
        self._looks = threading.Lock()

    def __call__(self, env: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if self._is_current or env.get("PATH_INFO") in PROBES or self._look():
            return self.application(env, start)
        status = HTTPStatus.SERVICE_UNAVAILABLE
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(TEXT))),
            ("Retry-After", "5"),
        ]
        start(f"{status.value} {status.phrase}", headers)
        return [TEXT]

    def _look(self) -> bool:
        """True if no migration waits. The database is asked once a second, and never again after that."""
        with self._looks:
            if self._is_current or time.monotonic() - self._looked_at < LOOK_SECONDS:
                return self._is_current
            try:
                found = schema.problem()
            except DatabaseError:
                # The application says what is wrong with the database.
                return True
            self._is_current = not found
            self._looked_at = time.monotonic()
            if found:
                log.warning("schema_refuses problem=%s", found)
            return self._is_current
