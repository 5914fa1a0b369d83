from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings


@pytest.fixture(autouse=True)
def _own_folders(settings: Settings, tmp_path: Path) -> None:
    """Every test has a store of its own, so that it may look at all that is in it."""
    settings.GIT_ROOT = tmp_path / "git"
    settings.BLOB_ROOT = tmp_path / "blobs"
    settings.TEMP_ROOT = tmp_path / "tmp"
