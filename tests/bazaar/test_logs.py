"""Lines of the log: what they say of an exception."""

from __future__ import annotations

import ast
import json
import logging.config
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from bazaar import logs
from tests.factories import hub

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operate" / "logs.md"
HOUSES = ("bazaar", "hub", "compute_market", "foundation")


def line_of(record: logging.LogRecord, *, as_json: bool) -> str:
    chosen = logs.configuration(level="INFO", as_json=as_json)["formatters"]["line"]
    formatter = chosen.pop("()")(**chosen)
    return str(formatter.format(record))


def record_of(message: str, *words: object) -> logging.LogRecord:
    return logging.LogRecord("room", logging.WARNING, "", 0, message, words, None)


def calls_of_loggers() -> list[tuple[str, ast.Call]]:
    """The places where product code writes a line: the file, and the call."""
    paths = sorted(path for house in HOUSES for path in (ROOT / house).rglob("*.py"))
    return [
        (str(path.relative_to(ROOT)), node)
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in {"log", "logger"}
        and node.func.attr in {"debug", "info", "warning", "error", "exception", "critical"}
    ]


class TestEvents:
    def test_page_lists_each_with_its_fields(self) -> None:
        rows = re.findall(r"^\| `(\w+)` \| (?:`([\w ]+)`)? ?\|", PAGE.read_text(), re.MULTILINE)
        # The fields of every line are in a table of two columns.
        described = {name: set(fields.split()) for name, fields in rows}
        written: dict[str, set[str]] = {}
        for path, call in calls_of_loggers():
            message = call.args[0]
            assert isinstance(message, ast.Constant), path
            assert isinstance(message.value, str), path
            assert logs.EVENT.fullmatch(message.value), f"{path}: {message.value}"
            fields = {name for name, _ in logs.FIELD.findall(message.value)}
            words = {word.arg for word in call.keywords if word.arg not in {None, "exc_info"}}
            name = message.value.partition(" ")[0]
            assert name not in written, f"{path}: two places write {name}"
            written[name] = fields | {str(word) for word in words}
        assert described == written

    def test_are_names_with_fields_in_json(self) -> None:
        line = json.loads(line_of(record_of("xorb_damaged xorb=%s size=%d", "ab=1 c", 7), as_json=True))
        assert (line["event"], line["xorb"], line["size"]) == ("xorb_damaged", "ab=1 c", 7)
        assert (line["level"], line["logger"]) == ("warning", "room")

    def test_keep_fixed_fields(self) -> None:
        line = json.loads(line_of(record_of("login_ended lease=%s reason=lost", 5), as_json=True))
        assert (line["event"], line["lease"], line["reason"]) == ("login_ended", 5, "lost")

    def test_sentences_of_libraries_stay_as_they_are(self) -> None:
        line = json.loads(line_of(record_of("Retrying (%s) after: %s", 3, "a=b"), as_json=True))
        assert line["event"] == "Retrying (3) after: a=b"

    def test_messages_with_named_words_are_filled_in(self) -> None:
        record = record_of("Task %(name)s succeeded in %(seconds)ss", {"name": "x", "seconds": 2})
        assert json.loads(line_of(record, as_json=True))["event"] == "Task x succeeded in 2s"

    @pytest.mark.parametrize("as_json", [True, False])
    @pytest.mark.parametrize("message", ["render_failed kind=card error=%s", "It failed: %s"])
    def test_stay_on_one_line_whatever_a_field_holds(self, message: str, *, as_json: bool) -> None:
        hostile = "a\nb\r\x1b[31mred\x00\u2028"
        line = line_of(record_of(message, hostile), as_json=as_json)
        assert len(line.splitlines()) == 1
        assert "\x1b[31mred" not in line


class TestTerminal:
    """The lines that a person reads; JSON has all fields."""

    @staticmethod
    def access(path: str = "/models", status: int = 200, *, as_json: bool = False) -> str:
        record = logging.LogRecord("bazaar.access", logging.INFO, "", 0, "http_request", (), None)
        fields = {"method": "GET", "path": path, "status": status, "ms": 12.4, "bytes": 7, "door": "hub.web"}
        record.__dict__.update(fields, request_id="abc")
        return line_of(record, as_json=as_json)

    def test_shows_a_request_in_a_few_words(self) -> None:
        assert re.fullmatch(r"\d\d:\d\d:\d\d GET /models 200 12 ms", self.access())

    def test_adds_the_id_of_a_request_that_failed(self) -> None:
        assert self.access(status=500).endswith("GET /models 500 12 ms request_id=abc")

    def test_leaves_json_as_it_is(self) -> None:
        line = json.loads(self.access(as_json=True))
        assert (line["event"], line["path"], line["request_id"]) == ("http_request", "/models", "abc")
        assert (line["door"], line["bytes"], line["ms"]) == ("hub.web", 7, 12.4)

    @pytest.mark.parametrize("path", ["/x 200 1 ms\nGET /y", "/\x1b[31m", "/a\u202e/b", "/a\u2028b"])
    def test_shows_a_hostile_path_as_one_word(self, path: str) -> None:
        line = self.access(path)
        assert line.isprintable()
        assert len(line.split()) == 6

    def test_hides_the_objects_that_django_adds(self) -> None:
        record = record_of("Forbidden (%s): %s", "CSRF cookie not set.", "/login")
        record.__dict__.update(request="<WSGIRequest>", status_code=403)
        line = line_of(record, as_json=False)
        assert "Forbidden (CSRF cookie not set.): /login" in line
        assert "WSGIRequest" not in line
        assert "status_code" not in line


@pytest.mark.django_db
class TestSecrets:
    def test_are_in_no_line(self, client: Client, caplog: pytest.LogCaptureFixture) -> None:
        canary = "hf_CanaryCanaryCanaryCanaryCanary"
        hub.user("canary-1", password="a-canary-sings-here")
        caplog.set_level(logging.DEBUG)
        for path in (
            "/api/whoami-v2",
            "/api/models",
            "/api/market/v1/orders",
            "/csg/api/v1/models",
            "/metrics",
        ):
            client.get(path, {"token": canary}, HTTP_AUTHORIZATION=f"Bearer {canary}")
        client.get("/x.git/info/refs", HTTP_AUTHORIZATION="Basic Y2FuYXJ5OmhmX0NhbmFyeQ==")
        client.post("/login", {"username": "canary-1", "password": "a-canary-sings-here"})
        client.post("/login", {"username": "canary-1", "password": "a-canary-sings-wrong"})
        lines = [line_of(record, as_json=True) for record in caplog.records]
        assert any('"http_request"' in line for line in lines)
        for secret in (canary, "Y2FuYXJ5OmhmX0NhbmFyeQ", "a-canary-sings"):
            assert [line for line in lines if secret in line] == []


@pytest.mark.parametrize("as_json", [True, False])
class TestExceptions:
    def line_of(self, error: BaseException, *, as_json: bool) -> str:
        info = (type(error), error, error.__traceback__)
        record = logging.LogRecord("x", logging.ERROR, "", 0, "It failed.", (), info)
        return line_of(record, as_json=as_json)

    def test_are_logged_with_their_frames_and_without_their_variables(self, *, as_json: bool) -> None:
        def sign_in(password: int) -> None:
            raise ValueError("no such account")

        try:
            sign_in(6 * 111111)
        except ValueError as error:
            line = self.line_of(error, as_json=as_json)
        assert "sign_in" in line
        assert "no such account" in line
        assert "666666" not in line

    def test_cost_little_however_deep_they_come_from(self, *, as_json: bool) -> None:
        def descend(nested: list[Any]) -> None:
            descend([nested, nested])

        try:
            descend([])
        except RecursionError as error:
            started = time.process_time()
            line = self.line_of(error, as_json=as_json)
            seconds = time.process_time() - started
        assert len(line) < 100 * sys.getrecursionlimit()
        assert seconds < 5


@pytest.mark.django_db
class TestAnswers:
    def test_of_501_are_no_errors_and_crashes_are(
        self, client: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The settings configure this: git-lfs asks about locks on every push, and the answer is 501."""
        assert client.get("/api/spaces/ns/name/logs/run").status_code == 501
        logging.getLogger("django.request").error("A crash.", extra={"status_code": 500})
        told = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
        assert told == ["A crash."]
