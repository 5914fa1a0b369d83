from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from hub import gitstore
from hub.gitstore import folder_of
from hub.repos import jobs
from tests.clock import file_moment
from tests.factories import hub as make

pytestmark = pytest.mark.django_db
STORAGE = "a" * 32


class TestDropStrayFolders:
    @pytest.fixture(autouse=True)
    def alone(self, settings: Settings, tmp_path: Path) -> None:
        settings.GIT_ROOT = tmp_path

    def test_keeps_every_repository(self) -> None:
        made = make.repository(make.actor())
        assert jobs.drop_stray_folders(now=file_moment() + timedelta(days=400)) == 0
        assert folder_of(made.storage).is_dir()

    def test_removes_halves_after_a_day(self) -> None:
        half = folder_of(STORAGE).with_suffix(".new")
        (half / "objects").mkdir(parents=True)
        assert jobs.drop_stray_folders(now=file_moment() + timedelta(hours=23)) == 0
        assert jobs.drop_stray_folders(now=file_moment() + timedelta(hours=25)) == 1
        assert not half.exists()

    def test_removes_whole_ones_only_when_no_backup_may_know_them(self) -> None:
        gitstore.copy_repository(make.repository(make.actor()).storage, STORAGE)
        assert jobs.drop_stray_folders(now=file_moment() + timedelta(days=29)) == 0
        assert jobs.drop_stray_folders(now=file_moment() + timedelta(days=31)) == 1
        assert not folder_of(STORAGE).exists()
