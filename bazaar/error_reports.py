"""Errors of the program, sent to a service that speaks Sentry's protocol (docs/operate/errors.md).

Switched on by BAZAAR_ERROR_DSN; without it this module is not imported. Needs no Django.

A report has the classes of the exceptions, the places in the code, the name of the event, and the ids of
request and trace. Messages of exceptions, values of variables and parts of requests are not read, so nothing
of users can be in a report; the line of the log with the same `request_id` has the message.
"""

from __future__ import annotations

import atexit
import http.client
import json
import logging
import os
import queue
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog

import bazaar
from bazaar.logs import EVENT, FRAMES_MAX
from foundation import environment as env
from foundation import spans

ROOT = f"{Path(__file__).resolve().parents[1]}{os.sep}"
HOUSES = ("bazaar", "hub", "compute_market", "foundation")
# Reports that wait to be sent; more are dropped.
WAITING_MAX = 100
# One place in the code is reported once in so many seconds.
AGAIN_AFTER_SECONDS = 60.0
PLACES_MAX = 1000
ANSWER_SECONDS = 5.0
# After an answer that is no success, and without an answer, nothing is sent for so long.
PAUSE_SECONDS = 60.0
EXIT_SECONDS = 2.0
CAUSES_MAX = 5


class DsnInvalid(env.VariableInvalid):
    """The address of the service is not of the form https://KEY@HOST/PROJECT."""


class ErrorReports(logging.Handler):
    """Sends records of ERROR and above. Threads that log do not wait: one thread of the process sends."""

    def __init__(self, dsn: str) -> None:
        """Raises DsnInvalid, or VariableInvalid if it is no address at all."""
        super().__init__(logging.ERROR)
        self._address = _Address(dsn)
        self._reported: dict[tuple[object, ...], float] = {}
        self._begin_anew()
        # A process that is forked has neither the thread nor what it was to send.
        os.register_at_fork(after_in_child=self._begin_anew)
        atexit.register(self._flush)

    def _begin_anew(self) -> None:
        self._waiting: queue.Queue[bytes] = queue.Queue(WAITING_MAX)
        self._thread: threading.Thread | None = None
        self._silent_until = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Called by the logging of the standard library, one thread at a time."""
        try:
            event = event_of(record)
            if not self._is_due(event) or time.monotonic() < self._silent_until:
                return
            self._waiting.put_nowait(envelope_of(event))
            if self._thread is None:
                self._thread = threading.Thread(target=self._send_all, name="error-reports", daemon=True)
                self._thread.start()
        except queue.Full:
            return
        except Exception:  # noqa: BLE001 - the error itself is in the log, and must not be hidden by this one
            self.handleError(record)

    def _is_due(self, event: dict[str, Any]) -> bool:
        place = (event["logger"], event["message"], *_ends(event))
        now = time.monotonic()
        if now - self._reported.get(place, -AGAIN_AFTER_SECONDS) < AGAIN_AFTER_SECONDS:
            return False
        if len(self._reported) >= PLACES_MAX:
            self._reported.clear()
        self._reported[place] = now
        return True

    def _send_all(self) -> None:
        while True:
            body = self._waiting.get()
            try:
                if time.monotonic() >= self._silent_until and not self._address.post(body):
                    self._silent_until = time.monotonic() + PAUSE_SECONDS
            finally:
                self._waiting.task_done()

    def _flush(self) -> None:
        ends_at = time.monotonic() + EXIT_SECONDS
        with self._waiting.all_tasks_done:
            while self._waiting.unfinished_tasks and (left := ends_at - time.monotonic()) > 0:
                self._waiting.all_tasks_done.wait(left)


def check_dsn(dsn: str) -> None:
    """Raises DsnInvalid, or VariableInvalid if it is no address at all."""
    _Address(dsn)


class _Address:
    """The place that reports go to, from a DSN."""

    def __init__(self, dsn: str) -> None:
        parts = env.split_address("BAZAAR_ERROR_DSN", dsn)
        folder, _, project = parts.path.rpartition("/")
        host, user = parts.hostname, parts.username
        if parts.scheme not in {"http", "https"} or not (host and user and project and dsn.isascii()):
            raise DsnInvalid("BAZAAR_ERROR_DSN must be like https://KEY@HOST/PROJECT.")
        self._is_https, self._host, self._port = parts.scheme == "https", host, parts.port
        self._path = f"{folder}/api/{project}/envelope/"
        self._headers = {
            "Content-Type": "application/x-sentry-envelope",
            "X-Sentry-Auth": f"Sentry sentry_version=7, sentry_client=model-bazaar/{bazaar.__version__},"
            f" sentry_key={user}",
        }

    def post(self, body: bytes) -> bool:
        """True if the service took it."""
        maker = http.client.HTTPSConnection if self._is_https else http.client.HTTPConnection
        connection = maker(self._host, self._port, timeout=ANSWER_SECONDS)
        try:
            connection.request("POST", self._path, body, self._headers)
            return connection.getresponse().status < 300
        except (OSError, ValueError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def event_of(record: logging.LogRecord) -> dict[str, Any]:
    """The report of one record of the log, as an event of Sentry's protocol."""
    message = str(record.msg)
    # Messages of libraries may be filled in already; their loggers say enough.
    name = message.partition(" ")[0] if EVENT.fullmatch(message) else record.name
    event: dict[str, Any] = {
        "event_id": uuid.uuid4().hex,
        "timestamp": record.created,
        "platform": "python",
        "level": "fatal" if record.levelno >= logging.CRITICAL else "error",
        "logger": record.name,
        "message": name,
        "release": f"model-bazaar@{bazaar.__version__}",
        "server_name": socket.gethostname(),
        "tags": {"process": Path(sys.argv[0]).name, **_ids()},
    }
    if record.exc_info and record.exc_info[1] is not None:
        event["exception"] = {"values": [_exception(error, name) for error in _causes(record.exc_info[1])]}
    return event


def _ids() -> dict[str, str]:
    context = structlog.contextvars.get_contextvars()
    found = {"request_id": str(context.get("request_id", "")), "trace_id": spans.trace_id()}
    return {name: value for name, value in found.items() if value}


def _causes(error: BaseException) -> list[BaseException]:
    """The exception and those that led to it, the first cause first."""
    found: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in found and len(found) < CAUSES_MAX:
        found.append(at)
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return found[::-1]


def _exception(error: BaseException, name: str) -> dict[str, Any]:
    kind = type(error)
    frames = list(_frames(error.__traceback__))
    if len(frames) > FRAMES_MAX:
        frames = frames[: FRAMES_MAX // 2] + frames[-FRAMES_MAX // 2 :]
    return {
        "type": kind.__qualname__,
        "module": kind.__module__,
        "value": name,
        "stacktrace": {"frames": frames},
    }


def _frames(traceback: TracebackType | None) -> Iterator[dict[str, Any]]:
    while traceback is not None:
        code = traceback.tb_frame.f_code
        module = str(traceback.tb_frame.f_globals.get("__name__", ""))
        file = code.co_filename.removeprefix(ROOT).rpartition("site-packages/")[2]
        yield {
            "module": module,
            "function": code.co_qualname,
            "filename": Path(file).name if file.startswith("/") else file,
            "lineno": traceback.tb_lineno,
            "in_app": module.partition(".")[0] in HOUSES,
        }
        traceback = traceback.tb_next


def _ends(event: dict[str, Any]) -> Iterator[object]:
    """The places where the exceptions were raised: two reports of one place are the same."""
    for each in event.get("exception", {}).get("values", ()):
        frames = each["stacktrace"]["frames"]
        yield (each["type"], frames[-1]["filename"], frames[-1]["lineno"]) if frames else each["type"]


def envelope_of(event: dict[str, Any]) -> bytes:
    """The event in an envelope, as it is posted."""
    body = json.dumps(event).encode()
    head = json.dumps({"event_id": event["event_id"]})
    item = json.dumps({"type": "event", "content_type": "application/json", "length": len(body)})
    return f"{head}\n{item}\n".encode() + body + b"\n"
