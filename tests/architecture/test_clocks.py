"""Tests ask one helper for the time, and wait by one helper: no result depends on when they run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources import full_name, names_in

TESTS = Path(__file__).resolve().parents[1]
CLOCKS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("timezone", "now"),
    ("timezone", "localdate"),
    ("timezone", "localtime"),
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "localtime"),
    ("time", "gmtime"),
    ("time", "ctime"),
    ("time", "asctime"),
    ("time", "strftime"),
    ("time", "clock_gettime"),
}
MAY_ASK = {
    "clock.py",
    "containers/journey.py",  # the hub in the containers has the clock of the machine
    "test_clock.py",  # that these functions tell what the helper tells
}
MAY_SLEEP = {
    "waiting.py",
    "compute_market/runners/fake_engine.py",  # a program of its own, which imports nothing of the project
    "servers/cluster.py",  # a program of its own, which looks after others until it is ended
}
# Tests of time itself: these call `waiting.pause`.
MAY_PAUSE = {
    "bazaar/backups/test_live.py",  # kills at moments drawn from a fixed seed
    "bazaar/server/http/test_limits.py",  # a connection that is not closed for being idle
    "compute_market/runners/test_hub_link.py",  # a slow peer
    "compute_market/tunnels/test_streams.py",  # a peer that does not answer
    "concurrency/compute_market/test_live_workers.py",  # kills at moments drawn from a fixed seed
    "concurrency/compute_market/test_matching_races.py",  # the same
    "foundation/database/test_cursors.py",  # longer than PostgreSQL lets a transaction be idle
    "hub/community/test_webhook_calls.py",  # a slow peer
    "servers/proxy.py",  # a slow line
    "wire/test_faults.py",  # a slow store, and a process that is stopped
    "wire/test_git_push.py",  # kills at several moments of a push
    "wire/test_hub_kills.py",  # kills at moments drawn from a fixed seed
    "wire/test_market_kills.py",  # kills at moments drawn from a fixed seed
    "wire/test_nodes.py",  # kills after so many writes
    "wire/test_xet_interrupted.py",  # a slow peer
}


def readings(source: str) -> Iterator[str]:
    """Calls that read the wall clock under any name, and imports of functions that do."""
    tree = ast.parse(source)
    names = names_in(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            words = tuple(full_name(node.func, names).split("."))
            if words[-2:] in CLOCKS:
                yield f"{node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").rpartition(".")[2]
            for name in node.names:
                if (module, name.name) in CLOCKS:
                    yield f"{node.lineno}: {ast.unparse(node)}"


def calls(source: str, name: str) -> Iterator[str]:
    """Calls of a function of that name, of any module and under any other name."""
    tree = ast.parse(source)
    names = names_in(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        written = ast.unparse(node.func).rpartition(".")[2]
        if name in {written, full_name(node.func, names).rpartition(".")[2]}:
            yield f"{node.lineno}: {ast.unparse(node)}"


def files_that_call(name: str) -> set[str]:
    return {
        str(path.relative_to(TESTS))
        for path in sorted(TESTS.rglob("*.py"))
        if any(calls(path.read_text(), name))
    }


class TestWaiting:
    def test_sleeps_in_the_helper_alone(self) -> None:
        assert files_that_call("sleep") == MAY_SLEEP

    @pytest.mark.parametrize(
        "text",
        [
            "time.sleep(1)",
            "from time import sleep as nap\nnap(1)",
            "import time as x\nx.sleep(1)",
            "import time\nnap = time.sleep\nnap(1)",
            "import asyncio as loop\nloop.sleep(1)",
        ],
    )
    def test_is_seen_under_any_name(self, text: str) -> None:
        assert len(list(calls(text, "sleep"))) == 1

    def test_pauses_where_time_itself_is_tested(self) -> None:
        assert files_that_call("pause") == MAY_PAUSE


class TestClocks:
    def test_are_read_by_the_helper_alone(self) -> None:
        found = [
            f"{path.relative_to(TESTS)}:{reading}"
            for path in sorted(TESTS.rglob("*.py"))
            if str(path.relative_to(TESTS)) not in MAY_ASK
            for reading in readings(path.read_text())
        ]
        assert not found, "\n".join(found)

    @pytest.mark.parametrize(
        "line",
        [
            "datetime.now(UTC)",
            "datetime.datetime.now()",
            "django.utils.timezone.now()",
            "from django.utils.timezone import now",
            "from time import time",
            "time.time()",
            "date.today()",
            "time.strftime('%F')",
            "from django.utils import timezone as tz\ntz.now()",
            "from datetime import datetime as dt\ndt.now()",
            "import datetime as dt\ndt.datetime.now()",
            "import time as x\nx.time()",
            "from django.utils import timezone\nnow = timezone.now\nnow()",
        ],
    )
    def test_are_recognised(self, line: str) -> None:
        assert list(readings(line))

    @pytest.mark.parametrize(
        "line", ["time.monotonic()", "clock.now()", "from datetime import datetime as dt"]
    )
    def test_are_not_taken_for_what_is_none(self, line: str) -> None:
        assert not list(readings(line))
