"""Runs the tests once, then once for each mutation those that reach it: `script/mutants`.

Tests and fixtures are set up once. Each mutation gets a fork of the process, a fresh copy of the database,
and its function's changed code; the first test that fails ends the fork.
"""

from __future__ import annotations

import gc
import os
import resource
import shutil
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from functools import _lru_cache_wrapper
from pathlib import Path
from types import CodeType, FunctionType

import coverage
import hypothesis
import pytest
from _pytest.runner import runtestprotocol
from django.conf import settings
from django.db import connections

from tests.mutation.mutations import Module, Mutation
from tests.waiting import until

MEMORY = 8 << 30
Tests = list[pytest.Item]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mutate", action="append", default=[], help="A module to mutate; again for more.")
    parser.addoption("--mutate-each", type=int, default=1, help="Make one of so many mutations: a sample.")
    parser.addoption("--mutate-only", default="", help="Mutate the functions alone whose name has this word.")


def pytest_configure(config: pytest.Config) -> None:
    """An example that fails has shown enough: none is made smaller."""
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
    hypothesis.settings.register_profile("mutants", hypothesis.settings.get_profile("busy"), phases=phases)
    hypothesis.settings.load_profile("mutants")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    paths = [Path(word).resolve() for word in session.config.getoption("--mutate")]
    runner = Runner(session.items, paths)
    runner.learn()
    runner.control()
    for path in paths:
        module = Module(path)
        chosen = module.mutations[:: session.config.getoption("--mutate-each")]
        runner.mutate(module, [m for m in chosen if session.config.getoption("--mutate-only") in m.function])
    runner.summary()
    session.testsfailed = len(runner.survivors)
    return True


class Runner:
    def __init__(self, items: Sequence[pytest.Item], paths: Sequence[Path]) -> None:
        self.items = list(items)
        self.paths = [str(path) for path in paths]
        self.seconds: dict[str, float] = {}
        self.tests_of_line: dict[tuple[str, int], set[str]] = defaultdict(set)
        self.killed: dict[str, int] = defaultdict(int)
        self.survivors: list[tuple[str, Mutation, int]] = []
        self.database = Path(
            str(settings.DATABASES["default"]["TEST"].get("NAME") or settings.DATA_DIR / "none")
        )

    def learn(self) -> None:
        """Run each test once, unchanged, and note which lines it reaches and how long it takes."""
        measured = coverage.Coverage(data_file=None, config_file=False, include=self.paths)
        measured.start()
        for index, item in enumerate(self.items):
            measured.switch_context(item.nodeid)
            begun = time.perf_counter()
            if not _passes(item, self.items[(index + 1) % len(self.items)]):
                pytest.exit(f"{item.nodeid} fails without any mutation", returncode=2)
            self.seconds[item.nodeid] = time.perf_counter() - begun
        measured.stop()
        data = measured.get_data()
        for path in self.paths:
            for line, tests in data.contexts_by_lineno(path).items():
                self.tests_of_line[path, line] |= set(tests)
        connections.close_all()
        if self.database.exists():
            shutil.copy(self.database, self.pristine)

    @property
    def pristine(self) -> Path:
        return self.database.with_suffix(".pristine")

    def control(self) -> None:
        """Every test passes in a fork too, unchanged: what fails later fails by its mutation."""
        if self._fails(self.items, {}, limit_s=10 * sum(self.seconds.values()) + 60):
            pytest.exit("the tests fail in a fork without any mutation", returncode=2)

    def mutate(self, module: Module, mutations: Sequence[Mutation]) -> None:
        path = str(module.path)
        functions = _functions_of(path)
        for mutation in mutations:
            with suppress(SyntaxError, ValueError):
                code = module.compiled(mutation)
                patched = dict.fromkeys(functions.get((mutation.function, mutation.first_line), ()), code)
                reached = set().union(*(self.tests_of_line[path, line] for line in mutation.lines))
                tests = sorted(
                    (item for item in self.items if item.nodeid in reached),
                    key=lambda item: self.seconds[item.nodeid],
                )
                limit_s = 20 + 8 * sum(self.seconds[item.nodeid] for item in tests)
                if tests and patched and self._fails(tests, patched, limit_s=limit_s):
                    self.killed[path] += 1
                else:
                    self.survivors.append((path, mutation, len(tests)))
                    _say(f"survived ({len(tests)} tests) {_short(path)} {mutation}")
        self.__say(path)

    def summary(self) -> None:
        for path in self.paths:
            self.__say(path)
        killed = sum(self.killed.values())
        every = killed + len(self.survivors)
        _say(f"{killed} of {every} mutations killed: {100 * killed / max(every, 1):.1f} %")

    def __say(self, path: str) -> None:
        left = sum(1 for survivor in self.survivors if survivor[0] == path)
        _say(f"{_short(path)}: {self.killed[path]} of {self.killed[path] + left} killed")

    def _fails(self, tests: Tests, patched: dict[FunctionType, CodeType], *, limit_s: float) -> bool:
        """True if a test fails, or the tests exceed the limit, in a fork with the patched functions."""
        if self.pristine.exists():
            for suffix in ("-wal", "-shm", "-journal"):
                Path(f"{self.database}{suffix}").unlink(missing_ok=True)
            shutil.copy(self.pristine, self.database)
        child = os.fork()
        if child == 0:
            _run_in_fork(tests, patched)
        with suppress(AssertionError):
            ended = until(lambda: _ended(child), patience_s=limit_s, pause_s=0.01)
            return ended[1] != 0
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return True


def _run_in_fork(tests: Tests, patched: dict[FunctionType, CodeType]) -> None:
    """Never returns: the exit status is 0 if every test passes."""
    status = 1
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        silence = os.open(os.devnull, os.O_RDWR)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        for function, code in patched.items():
            function.__code__ = code
        for candidate in gc.get_objects():
            if isinstance(candidate, _lru_cache_wrapper):  # what was computed before the change
                candidate.cache_clear()
        if all(_passes(item, tests[(index + 1) % len(tests)]) for index, item in enumerate(tests)):
            status = 0
    finally:
        os._exit(status)


def _ended(child: int) -> tuple[int, int] | None:
    ended, status = os.waitpid(child, os.WNOHANG)
    return (ended, status) if ended else None


def _passes(item: pytest.Item, next_item: pytest.Item) -> bool:
    item._initrequest()  # type: ignore[attr-defined] # as for a test that is run again
    reports = runtestprotocol(item, log=False, nextitem=next_item)
    return not any(report.failed for report in reports)


def _functions_of(path: str) -> dict[tuple[str, int], list[FunctionType]]:
    """The functions of a file that live in this process, decorated or not, by name and first line."""
    found: dict[tuple[str, int], list[FunctionType]] = defaultdict(list)
    for candidate in gc.get_objects():
        if isinstance(candidate, FunctionType) and candidate.__code__.co_filename == path:
            found[candidate.__code__.co_qualname, candidate.__code__.co_firstlineno].append(candidate)
    return found


def _short(path: str) -> str:
    return os.path.relpath(path)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
