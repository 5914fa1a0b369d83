"""Bodies of strangers are small, and nothing of them stays on the disk."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from hub.api.git import parse
from tests.factories import hub

pytestmark = pytest.mark.django_db


@pytest.fixture
def address(settings: Settings, tmp_path: Path) -> str:
    repository = hub.repository(hub.actor())
    settings.TEMP_ROOT = tmp_path / "scratch"
    return f"/{repository.full_name}.git/git-upload-pack"


class TestFetchBody:
    @pytest.mark.parametrize("is_packed", [False, True])
    def test_is_refused_above_its_own_limit(
        self, client: Client, address: str, settings: Settings, is_packed: bool
    ) -> None:
        data = bytes(parse.FETCH_BYTES_MAX + 1)
        headers = {"Content-Encoding": "gzip"} if is_packed else {}
        answer = client.post(
            address,
            gzip.compress(data, 1) if is_packed else data,
            content_type="application/x-git-upload-pack-request",
            headers=headers,
        )
        assert 400 <= answer.status_code < 500
        assert str(parse.FETCH_BYTES_MAX).encode() in answer.content
        assert not list(Path(settings.TEMP_ROOT).iterdir())

    def test_is_refused_when_the_disk_has_no_room_to_spare(
        self, client: Client, address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(parse, "ROOM_CHECKED_BYTES", 1 << 60)
        answer = client.post(address, b"0000" * 100, content_type="application/x-git-upload-pack-request")
        assert answer.status_code == 507
