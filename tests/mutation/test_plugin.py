"""A run of mutation testing from its command to its exit status, on a module of a few lines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MENDED = """\
def bigger(a, b):
    return a > b


def unused():
    return 5
"""
TESTS = """\
from mended import bigger


def test_bigger():
    assert bigger(2, 1) is True
    assert bigger(1, 2) is False


def test_bigger_of_equals():
    assert bigger(1, 1) is {equal}
"""
CONFTEST = "import hypothesis\n\nhypothesis.settings.register_profile('busy')\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "mended.py").write_text(MENDED)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_mended.py").write_text(TESTS.format(equal=False))
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {tmp_path} {ROOT}\n")
    return tmp_path


def run(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "tests.mutation.plugin", *words]
    return subprocess.run(
        [*command, "--mutate", str(project / "mended.py")],
        cwd=project,
        env=environment | {"PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "bazaar.settings.test"},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


def told(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stdout.splitlines() if "mended.py" in line or "mutations killed" in line]


class TestRun:
    def test_in_which_every_change_is_noticed_passes(self, project: Path) -> None:
        done = run(project, "--mutate-only", "bigger")
        assert told(done)[-1] == "2 of 2 mutations killed: 100.0 %"
        assert "survived" not in done.stdout
        assert done.returncode == 0, done.stdout + done.stderr

    def test_names_what_nobody_noticed_and_fails(self, project: Path) -> None:
        done = run(project, "-k", "not equals")
        lines = told(done)
        assert "survived (1 tests) mended.py bigger:2: `a > b` -> `a >= b`" in lines
        assert "survived (0 tests) mended.py unused:6: `5` -> `6`" in lines
        assert not [line for line in lines if "return a > b" in line], "a killed change is not named"
        assert lines[-1] == "1 of 3 mutations killed: 33.3 %"
        assert done.returncode == 1, done.stdout + done.stderr

    def test_does_not_begin_if_a_test_fails_without_a_change(self, project: Path) -> None:
        (project / "test_mended.py").write_text(TESTS.format(equal=True))
        done = run(project)
        assert "test_bigger_of_equals fails without any mutation" in done.stdout + done.stderr
        assert "killed" not in done.stdout
        assert done.returncode == 2, done.stdout + done.stderr
