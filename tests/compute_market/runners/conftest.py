"""Machines for runners: a real podman, and a stand-in for the docker that is not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compute_market.runners.engines import Podman, make_podman, shown_cgroups

FAKE = Path(__file__).with_name("fake_engine.py")


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    # The engine refuses a folder for its state with a path of more than 50 characters.
    with shown_cgroups() as enter, tempfile.TemporaryDirectory(prefix="pm-", dir="/tmp") as folder:
        yield make_podman(Path(folder), enter)


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pretended `docker` is on the path; gives the folder in which it keeps what runs, by name."""
    programs, state = tmp_path / "bin", tmp_path / "engine"
    programs.mkdir()
    state.mkdir()
    (programs / "docker").write_text(FAKE.read_text())
    (programs / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_ENGINE_STATE", str(state))
    return state
