"""Lines of the log: what they say of an exception."""

from __future__ import annotations

import logging.config
import sys
import time
from typing import Any

import pytest
from django.test import Client

from bazaar import logs


@pytest.mark.parametrize("as_json", [True, False])
class TestExceptions:
    def line_of(self, error: BaseException, *, as_json: bool) -> str:
        chosen = logs.configuration(level="INFO", as_json=as_json)["formatters"]["line"]
        formatter = chosen["()"](
            foreign_pre_chain=chosen["foreign_pre_chain"], processors=chosen["processors"]
        )
        info = (type(error), error, error.__traceback__)
        return str(formatter.format(logging.LogRecord("x", logging.ERROR, "", 0, "It failed.", (), info)))

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
