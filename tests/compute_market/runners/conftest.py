"""Machines for runners: with container engines that behave like the real ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FAKE = Path(__file__).with_name("fake_engine.py")


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`podman` and `docker` are on the path; gives the folder in which they keep what runs, by name."""
    programs, state = tmp_path / "bin", tmp_path / "engine"
    programs.mkdir()
    state.mkdir()
    for name in ("podman", "docker"):
        (programs / name).write_text(FAKE.read_text())
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_ENGINE_STATE", str(state))
    return state
