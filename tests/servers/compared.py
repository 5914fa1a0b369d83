"""Answers of live servers are compared with their descriptions too.

A server under test writes what it answers to the file that `VARIABLE` names, and
the tests compare it after each test. So servers need not make the description, which takes a second.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from django.http import HttpRequest, HttpResponse, HttpResponseBase

VARIABLE = "BAZAAR_ANSWERS_FILE"
DESCRIBED = ("/api/market/v1/", "/api/hub/v1/")
# More than any answer has that tests ask for.
BODY_BYTES_MAX = 1024 * 1024


class RecordAnswers:
    """A middleware that appends answers of the described APIs to a file, and what is wrong with others."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.path = Path(os.environ[VARIABLE])

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if request.resolver_match is not None and (line := self._line(request, response)):
            # One call to the system, so that the lines of several processes do not mix.
            with self.path.open("ab", buffering=0) as file:
                file.write(json.dumps(line).encode() + b"\n")
        return response

    def _line(self, request: HttpRequest, response: HttpResponseBase) -> dict[str, object] | None:
        from tests import declared  # it needs settings, which not all have who start servers

        match = request.resolver_match
        assert match is not None
        if f"/{match.route}".startswith(DESCRIBED):
            if not isinstance(response, HttpResponse) or len(response.content) > BODY_BYTES_MAX:
                return None
            if response.status_code == 200 and not response.content:
                return None  # its connection is a stream's now
            return {
                "method": request.method,
                "path": request.path,
                "status": response.status_code,
                "type": response.headers.get("Content-Type", "").partition(";")[0],
                "body": response.content.decode(errors="replace"),
            }
        try:
            declared.check(match.func, response, f"{request.method} {request.path} → {response.status_code}")
        except declared.AnswerUndeclared as wrong:
            return {"wrong": str(wrong)}
        return None


class RecordedAnswers:
    """The answers that the servers of this process's tests have written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0

    def problems(self) -> list[str]:
        """The faults of the answers since the last call."""
        return [found for line in self._lines() if (found := _problem(line))]

    def _lines(self) -> Iterator[dict[str, object]]:
        if not self.path.exists() or self.path.stat().st_size == self._read:
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")
        self._read += len(whole[0]) + len(whole[1])
        for line in whole[0].splitlines():
            yield json.loads(line)


def _problem(line: dict[str, object]) -> str | None:
    from tests import described  # it imports much that the servers do not need

    if "wrong" in line:
        return str(line["wrong"])
    method, path, body = str(line["method"]), str(line["path"]), str(line["body"])
    if method in {"HEAD", "OPTIONS"} or described.UNDESCRIBED.fullmatch(path):
        return None
    status = int(str(line["status"]))
    try:
        described.require_described(method, path, status, str(line["type"]), body.encode())
    except described.AnswerUndescribed as wrong:
        return str(wrong)
    return None
