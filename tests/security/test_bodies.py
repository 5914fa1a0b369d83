"""Bodies of strangers are small, and nothing of them stays on the disk."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django.fixtures import Settings

from foundation import uploads
from foundation.bodies import UNKNOWN_BYTES_MAX
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


class TestForms:
    """Django reads a form, its files included, to check its CSRF token; so before any view is asked."""

    @pytest.mark.parametrize("path", ["/login", "/join", "/preferences", "/new", "/admin/login/"])
    @pytest.mark.parametrize("files", [1, 12])
    @pytest.mark.parametrize("is_known", [False, True])
    def test_bring_few_bytes_of_files_and_of_strangers_hardly_any(
        self, path: str, files: int, is_known: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        taken = 0
        whole = uploads.BoundedUpload.receive_data_chunk

        def receive(self: uploads.BoundedUpload, raw_data: bytes, start: int) -> bytes:
            nonlocal taken
            found: bytes = whole(self, raw_data, start)
            taken += len(found)
            return found

        monkeypatch.setattr(uploads.BoundedUpload, "receive_data_chunk", receive)
        limit = django_settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        client = Client(enforce_csrf_checks=True)
        client.cookies["csrftoken"] = "a" * 32
        if is_known:
            client.force_login(hub.user())
        given = {f"file{n}": SimpleUploadedFile(f"{n}", bytes(2 * limit // files)) for n in range(files)}
        answer = client.post(path, given)
        assert answer.status_code == 400
        assert (0 < taken <= limit) if is_known else taken <= UNKNOWN_BYTES_MAX

    def test_with_small_files_are_taken(self, client: Client) -> None:
        alice = hub.actor()
        repository = hub.repository(alice)
        client.force_login(alice.user)
        data = bytes(range(256)) * 4096
        answer = client.post(
            f"/{repository.full_name}/upload/main", {"files": SimpleUploadedFile("some.bin", data)}
        )
        assert answer.status_code == 302
        assert client.get(f"/{repository.full_name}/resolve/main/some.bin").getvalue() == data

    def test_of_opencsgs_client_may_be_large_for_those_who_write(self, client: Client) -> None:
        limit = django_settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        alice = hub.actor()
        repository = hub.repository(alice)
        address = f"/api/v1/models/{repository.full_name}/upload_file"
        for user, status in ((hub.user(), 403), (alice.user, 200)):
            given = {"file": SimpleUploadedFile("a", bytes(limit + 1)), "file_path": "large.bin"}
            answer = client.post(address, given, headers=hub.bearer(user))
            assert answer.status_code == status
