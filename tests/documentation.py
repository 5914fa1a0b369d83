"""The site of the documentation, built as CI builds it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def build(folders: pytest.TempPathFactory) -> Path:
    """The folder of the site, built in strict mode. AssertionError with MkDocs' words if it has a warning."""
    folder = folders.mktemp("site")
    # A test runs the tool itself, with fixed words.
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "TMPDIR": str(folders.mktemp("scratch"))},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert built.returncode == 0, built.stderr[-3000:]
    return folder
