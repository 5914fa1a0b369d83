"""Reports of errors, as a service receives them."""

from __future__ import annotations

import json
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog

from bazaar import error_reports, logs
from bazaar.error_reports import DsnInvalid, ErrorReports
from tests.servers import ports

CANARY = "canary7sings"
SECONDS_MAX = 60


class Service:
    """A service that takes reports, with a status of its choice."""

    def __init__(self) -> None:
        self.dsn = ""
        self.status = 200
        self.came: queue.Queue[tuple[str, dict[str, str], bytes]] = queue.Queue()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def next(self) -> dict[str, Any]:
        """The event of the next report."""
        _, _, body = self.came.get(timeout=SECONDS_MAX)
        _, item, event, *_ = body.split(b"\n")
        assert json.loads(item)["length"] == len(event)
        found: dict[str, Any] = json.loads(event)
        return found


@pytest.fixture
def service() -> Iterator[Service]:
    here = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            here.came.put((self.path, dict(self.headers), body))
            here.may_answer.wait(SECONDS_MAX)
            self.send_response(here.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    here.dsn = f"http://public7key@127.0.0.1:{server.server_address[1]}/sentry/42"
    yield here
    here.may_answer.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def log(service: Service) -> Iterator[logging.Logger]:
    """A logger that reports to the service."""
    logger = logging.getLogger("tests.error_reports")
    handler = ErrorReports(service.dsn)
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


def crash(secret: str) -> None:
    password = f"{secret}-in-a-variable"
    raise ValueError(f"{password} is wrong")


class TestReports:
    def test_name_the_error_and_its_places(self, service: Service, log: logging.Logger) -> None:
        try:
            crash(CANARY)
        except ValueError:
            log.exception("request_failed")
        path, headers, body = service.came.get(timeout=SECONDS_MAX)
        assert path == "/sentry/api/42/envelope/"
        assert "sentry_key=public7key" in headers["X-Sentry-Auth"]
        event = json.loads(body.split(b"\n")[2])
        [error] = event["exception"]["values"]
        assert (error["type"], error["module"], error["value"]) == (
            "ValueError",
            "builtins",
            "request_failed",
        )
        *_, last = error["stacktrace"]["frames"]
        assert (last["function"], last["filename"]) == ("crash", "tests/bazaar/test_error_reports.py")
        assert (event["message"], event["logger"], event["level"]) == ("request_failed", log.name, "error")

    def test_hold_no_message_variable_or_field(self, service: Service, log: logging.Logger) -> None:
        try:
            try:
                crash(CANARY)
            except ValueError as error:
                raise RuntimeError(CANARY) from error
        except RuntimeError:
            extra = {"request": f"<WSGIRequest: GET '/{CANARY}'>"}
            log.exception("Internal Server Error: %s", f"/{CANARY}?token={CANARY}", extra=extra)
        log.error("xorb_damaged xorb=%s", CANARY)
        log.error(f"It failed: {CANARY}")  # noqa: G004 - as some libraries do
        bodies = [service.came.get(timeout=SECONDS_MAX)[2] for _ in range(3)]
        assert CANARY.encode() not in b"".join(bodies)
        first, second, third = (json.loads(body.split(b"\n")[2]) for body in bodies)
        assert [error["type"] for error in first["exception"]["values"]] == ["ValueError", "RuntimeError"]
        assert (second["message"], third["message"]) == ("xorb_damaged", log.name)

    def test_have_the_id_of_the_request(self, service: Service, log: logging.Logger) -> None:
        with structlog.contextvars.bound_contextvars(request_id="abc-1"):
            log.error("request_failed")
        assert service.next()["tags"]["request_id"] == "abc-1"

    def test_of_one_place_are_sent_once(self, service: Service, log: logging.Logger) -> None:
        for _ in range(50):
            log.error("xorb_damaged xorb=%s", "a")
        log.error("lfs_conversion_failed oid=%s", "b")
        assert [service.next()["message"] for _ in range(2)] == ["xorb_damaged", "lfs_conversion_failed"]
        assert service.came.empty()

    def test_of_warnings_are_not_made(self, service: Service, log: logging.Logger) -> None:
        log.warning("cache_unavailable error=%s", "a")
        log.error("request_failed")
        assert service.next()["message"] == "request_failed"

    def test_are_bounded_and_delay_nobody(
        self, service: Service, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The service hangs; threads that log go on, and memory stays."""
        monkeypatch.setattr(error_reports, "AGAIN_AFTER_SECONDS", 0.0)
        service.may_answer.clear()
        [handler] = log.handlers
        assert isinstance(handler, ErrorReports)
        for _ in range(3 * error_reports.WAITING_MAX):
            log.error("request_failed")
        assert handler._waiting.qsize() <= error_reports.WAITING_MAX
        service.may_answer.set()

    def test_pause_after_a_refusal(self, service: Service, log: logging.Logger) -> None:
        service.status = 429
        log.error("request_failed")
        service.next()
        [handler] = log.handlers
        assert isinstance(handler, ErrorReports)
        with handler._waiting.all_tasks_done:
            assert handler._waiting.all_tasks_done.wait_for(
                lambda: not handler._waiting.unfinished_tasks, SECONDS_MAX
            )
        log.error("xorb_damaged xorb=%s", "a")
        assert handler._waiting.empty()
        assert handler._silent_until > time.monotonic()

    def test_of_recursions_are_short(self, service: Service, log: logging.Logger) -> None:
        def descend() -> None:
            descend()

        try:
            descend()
        except RecursionError:
            log.exception("request_failed")
        [error] = service.next()["exception"]["values"]
        assert len(error["stacktrace"]["frames"]) == logs.FRAMES_MAX


class TestDsn:
    @pytest.mark.parametrize(
        "dsn",
        [
            "x",
            "https://host/1",
            "https://key@host",
            "https://key@host/",
            "ftp://key@host/1",
            "https://key@/1",
            "https://schlüssel@host/1",
        ],
    )
    def test_must_be_one(self, dsn: str) -> None:
        with pytest.raises(DsnInvalid, match="https://KEY@HOST/PROJECT"):
            ErrorReports(dsn)


CRASHES = """
import os, sys
sys.path.insert(0, ".")
os.environ["DJANGO_SETTINGS_MODULE"] = "bazaar.settings.live_test"
import django
django.setup()
from bazaar.celery import app

@app.task(name="tests.crash")
def crash(word):
    raise ValueError(word)

crash.apply(args=["canary7sings"])
"""


class TestProcesses:
    def run(self, script: str, folder: Path, **variables: str) -> str:
        env = {**os.environ, "BAZAAR_DATA_DIR": str(folder), **variables}
        return subprocess.run(
            [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=120, check=True
        ).stdout

    def test_report_what_a_task_raised_before_they_end(self, service: Service, tmp_path: Path) -> None:
        self.run(CRASHES, tmp_path, BAZAAR_ERROR_DSN=service.dsn)
        event = service.next()
        assert event["exception"]["values"][-1]["type"] == "ValueError"
        assert event["logger"] == "celery.app.trace"
        assert CANARY not in json.dumps(event)

    def test_end_while_nobody_answers(self, tmp_path: Path) -> None:
        with ports.listening_socket() as closed:
            port = closed.getsockname()[1]
        self.run(CRASHES, tmp_path, BAZAAR_ERROR_DSN=f"http://key@127.0.0.1:{port}/1")

    def test_import_nothing_without_an_address(self, tmp_path: Path) -> None:
        script = f"{CRASHES}\nprint('bazaar.error_reports' in sys.modules)"
        assert self.run(script, tmp_path, BAZAAR_ERROR_DSN="") == "False\n"
