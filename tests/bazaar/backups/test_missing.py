"""A backup says which repositories it lacks, and is not made from a folder that cannot be read."""

from __future__ import annotations

import shutil
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from bazaar.backups import creating, database, git_files
from bazaar.backups.errors import BackupFailed
from bazaar.backups.sealing import Sealer
from bazaar.backups.storage import Archive, Writer
from hub import gitstore
from hub.blobstore import LocalBlobStore
from hub.repos.models import Repository
from tests.factories import hub as factories


@pytest.fixture(autouse=True)
def git_root(tmp_path: Path, settings: Settings) -> Path:
    settings.GIT_ROOT = tmp_path / "git"
    return tmp_path / "git"


@pytest.fixture
def repository() -> Repository:
    return factories.repository(factories.actor(), "here")


@pytest.mark.django_db(transaction=True)
class TestMissingRepositories:
    @pytest.fixture(autouse=True)
    def rows_stay_here(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Leave the rows out: these tests are about folders."""
        monkeypatch.setattr(database, "store", lambda _: None)

    def test_are_named_and_end_the_command_with_an_error(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        missing = factories.repository(factories.actor(), "missing")
        shutil.rmtree(gitstore.folder_of(missing.storage))
        said, errors = StringIO(), StringIO()
        with pytest.raises(CommandError, match="1 problems"):
            call_command("backup", "create", "--place", str(tmp_path / "to"), stdout=said, stderr=errors)
        named = f"model {missing.full_name}: its git repository is not in the backup\n"
        assert errors.getvalue() == named
        assert len(Archive(LocalBlobStore(tmp_path / "to"), Sealer("")).names()) == 1


@pytest.mark.django_db
def test_repositories_that_are_made_meanwhile_are_not_missing(repository: Repository) -> None:
    assert list(creating._missing(set())) == []
    shutil.rmtree(gitstore.folder_of(repository.storage))
    assert list(creating._missing({repository.storage})) == []
    assert len(list(creating._missing(set()))) == 1


class TestFolderThatCannotBeRead:
    def test_ends_the_backup(self, git_root: Path, tmp_path: Path) -> None:
        storage = "ab" * 16
        folder = gitstore.folder_of(storage)
        folder.mkdir(parents=True)
        (folder / "objects").write_text("no folder")
        writer = Writer(Archive(LocalBlobStore(tmp_path / "to"), Sealer("")), None)
        with pytest.raises(BackupFailed, match="objects cannot be read: Not a directory"):
            git_files.store(writer)
