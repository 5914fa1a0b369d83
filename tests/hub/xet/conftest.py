from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from hub.accounts.principals import Principal
from hub.repos.models import Repository
from tests.factories import hub


@pytest.fixture(autouse=True)
def store_folder(settings: Settings, tmp_path: Path) -> Path:
    """A blob store of this test's own."""
    settings.BLOB_ROOT = tmp_path / "blobs"
    settings.TEMP_ROOT = tmp_path / "tmp"
    settings.S3 = None
    return tmp_path / "blobs"


@pytest.fixture
def alice(db: None) -> Principal:
    return hub.actor()


@pytest.fixture
def bob(db: None) -> Principal:
    return hub.actor()


@pytest.fixture
def model(alice: Principal) -> Repository:
    """A private model of alice's."""
    return hub.repository(alice, visibility="private")
