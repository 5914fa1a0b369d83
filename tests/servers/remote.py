"""Calls a live bazaar's own Python from a test: management commands and functions, in milliseconds.

Run as a module it is the far end: a Django process with the live server's environment that reads
one JSON call a line and answers one JSON result a line.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bazaar.server import processes

ROOT = Path(__file__).resolve().parents[2]


class RemoteError(AssertionError):
    """The call raised at the far end; the message is its traceback."""


class Remote:
    """The near end."""

    def __init__(self, env: Mapping[str, str], root: Path = ROOT) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.remote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(env),
            cwd=root,
        )

    def command(self, *words: str) -> str:
        """Run a management command; gives what it printed."""
        return str(self._ask({"command": words}))

    def call(self, function: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call `package.module:function` with JSON values; gives its result, if JSON can hold it."""
        return self._ask({"function": function, "args": args, "kwargs": kwargs})

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            processes.stop(self._process)

    def _ask(self, question: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RemoteError(answer["error"])
        return answer["result"]


def _answer(question: dict[str, Any]) -> Any:
    if "command" in question:
        from django.core.management import call_command

        printed = io.StringIO()
        name, *words = question["command"]
        with contextlib.redirect_stdout(printed):
            call_command(name, *words)
        return printed.getvalue()
    module, _, name = question["function"].partition(":")
    function = getattr(importlib.import_module(module), name)
    return function(*question["args"], **question["kwargs"])


def main() -> None:
    import django

    django.setup()
    from tests import clock

    answers = sys.stdout
    sys.stdout = sys.stderr
    for line in sys.stdin:
        try:
            # The process belongs to a server, which goes by the machine's clock.
            with clock.real_time():
                reply = {"result": _answer(json.loads(line))}
        except BaseException:  # noqa: BLE001 - whatever it was, the test should read it
            reply = {"error": traceback.format_exc()}
        answers.write(json.dumps(reply, default=str) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
