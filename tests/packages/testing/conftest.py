from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.servers import live

RunTests = Callable[..., str]


@pytest.fixture
def run_tests(tmp_path: Path) -> RunTests:
    """Run files of tests as somebody's project would, without Django; gives what pytest printed."""

    def run(*texts: str, options: Sequence[str] = (), expect: int = 0) -> str:
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        files = [tmp_path / f"test_project_{number}.py" for number in range(len(texts))]
        for file, text in zip(files, texts, strict=True):
            file.write_text(text)
        argv = [sys.executable, "-m", "pytest", "-p", "bazaar_testing.plugin", "-p", "no:django", "-q", "-s"]
        done = subprocess.run(
            [*argv, *options, *map(str, files)],
            env={
                **os.environ,
                "TMPDIR": str(tmp_path),
                "PYTHONPATH": live.PYTHONPATH,
                "DJANGO_SETTINGS_MODULE": "",
                "HF_ENDPOINT": "http://a.invalid",
            },
            check=False,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout

    return run
