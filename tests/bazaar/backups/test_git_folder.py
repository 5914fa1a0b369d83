"""The repositories of a backup come into the folder of git, also where that is a mount or a link."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from bazaar.backups import restoring
from bazaar.backups.sealing import Sealer
from bazaar.backups.storage import Archive
from hub.blobstore import LocalBlobStore
from tests.bazaar.backups.test_refusals import STORAGE, backup

HEAD = f"{STORAGE[:2]}/{STORAGE[2:4]}/{STORAGE}.git/HEAD"


@pytest.fixture
def other_disk() -> Iterator[Path]:
    """A folder in memory, which is another file system than that of the test's own folder."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


class Folder:
    """A data folder whose git folder is elsewhere."""

    def __init__(self, folder: Path, git: Path, settings: Settings) -> None:
        self.data, self.git = folder / "data", folder / "data" / "git"
        self.data.mkdir()
        self.git.symlink_to(git)
        settings.DATA_DIR, settings.GIT_ROOT = self.data, self.git
        self.archive = Archive(LocalBlobStore(folder / "backups"), Sealer(""))
        self.aside = self.data / "before-restore-1"

    def restore(self) -> Path | None:
        manifest = self.archive.manifest(backup(self.archive, f"git/{STORAGE}/HEAD"))
        with restoring._git_beside(self.archive, manifest, {}) as fresh:
            return restoring._exchange(fresh, self.git, self.aside)


class TestGitFolder:
    def test_that_is_elsewhere_and_empty_stays_there(
        self, tmp_path: Path, other_disk: Path, settings: Settings
    ) -> None:
        folder = Folder(tmp_path, other_disk, settings)
        assert folder.restore() is None
        assert (other_disk / HEAD).read_bytes() == b"the key of the backup"
        assert folder.git.is_symlink()
        assert not folder.aside.exists()
        assert [path.name for path in other_disk.iterdir()] == [STORAGE[:2]]

    def test_that_is_on_another_disk_keeps_its_old_content(
        self, tmp_path: Path, other_disk: Path, settings: Settings
    ) -> None:
        folder = Folder(tmp_path, other_disk, settings)
        (other_disk / "lost+found").mkdir()
        (other_disk / HEAD).parent.mkdir(parents=True)
        (other_disk / HEAD).write_text("old")
        old = folder.restore()
        assert old == folder.git / folder.aside.name
        assert (old / HEAD).read_text() == "old"
        assert (other_disk / HEAD).read_bytes() == b"the key of the backup"
        assert (other_disk / "lost+found").exists()
        assert not folder.aside.exists()

    def test_on_the_disk_of_the_data_has_its_old_content_in_the_data_folder(
        self, tmp_path: Path, settings: Settings
    ) -> None:
        (tmp_path / "repositories").mkdir()
        folder = Folder(tmp_path, tmp_path / "repositories", settings)
        assert folder.restore() is None
        assert folder.restore() is None
        assert (folder.aside / "git" / HEAD).exists()
        assert (folder.git / HEAD).exists()
