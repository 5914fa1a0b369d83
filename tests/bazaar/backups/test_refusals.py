"""A refused restore has changed nothing, and no name in a backup leads out of the folders of a hub."""

from __future__ import annotations

import fcntl
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from celery.signals import beat_init, worker_init
from django.db import connection
from pytest_django import Settings

from bazaar.backups import restoring
from bazaar.backups.errors import BackupFailed, Damaged
from bazaar.backups.names import require_paths, require_refs
from bazaar.backups.sealing import Sealer
from bazaar.backups.storage import FORMAT, Archive, Manifest, Writer
from bazaar.paths import ROOT
from bazaar.server import tunnels, web
from bazaar.server.http.limits import Limits
from compute_market.ssh import __main__ as ssh
from hub.blobstore import LocalBlobStore

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
STORAGE = "ab" * 16
LEADING_OUT = (
    "", "/etc/passwd", "secrets/../../outside.txt", "secrets/secret_key/..", "secrets//secret_key", "secrets",
    "secrets/db.sqlite3", "secrets/ssh\\..\\key", "secrets/ssh/key\0", "./secrets/ssh/key",
    f"git/{STORAGE}", "git/..outside/HEAD", "git/refs.json/HEAD", f"git/{STORAGE}/../HEAD", "objects/..",
)  # fmt: skip
NO_REFS = (
    "refs/heads/../../config", "HEAD", "config", "/refs/heads/main", "refs/heads/a\\b", "refs/heads//main",
    "refs/heads/main\0", "refs/heads/",
)  # fmt: skip


@pytest.fixture
def data(tmp_path: Path, settings: Settings) -> Path:
    """The data folder of a hub with a key, two levels below the test's own folder."""
    folder = tmp_path / "one" / "data"
    folder.mkdir(parents=True)
    (folder / "secret_key").write_text("the key of this hub")
    settings.DATA_DIR, settings.GIT_ROOT = folder, folder / "git"
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(LocalBlobStore(tmp_path / "backups"), Sealer("a key that is long enough for this, surely"))


def backup(
    archive: Archive,
    *paths: str,
    engine: str = "",
    heads: dict[str, list[str]] | None = None,
    refs: bytes = b"{}",
) -> str:
    writer = Writer(archive, None)
    writer.add("git/refs.json", [refs])
    for path in ("secrets/secret_key", *paths):
        writer.add(path, [b"the key of the backup"])
    writer.finish()
    made = Manifest(
        FORMAT, "9.0", engine or connection.vendor, NOON, NOON, heads or {}, [], writer.files, writer.places
    )
    return archive.write_manifest(made)


def held(folder: Path) -> dict[str, bytes]:
    """Everything below a folder but the lock files, which are empty."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


class TestNames:
    @pytest.mark.parametrize("path", LEADING_OUT)
    def test_that_lead_out_are_refused(self, path: str) -> None:
        with pytest.raises(Damaged):
            require_paths([path])

    @pytest.mark.parametrize("ref", NO_REFS)
    def test_that_are_no_refs_are_refused(self, ref: str) -> None:
        with pytest.raises(Damaged):
            require_refs([ref])

    def test_of_backups_are_taken(self) -> None:
        require_paths(["git/refs.json", f"git/{STORAGE}/objects/pack/pack-1.pack", "objects/lfs/ab/cd"])
        require_paths(["secrets/secret_key", "secrets/ssh/host_key", "database/hub_row:id,name"])
        require_refs(["refs/heads/main", "refs/tags/v1.0", "refs/pr/1", "refs/heads/a/b"])


class TestRestore:
    def test_of_another_engine_changes_nothing(self, archive: Archive, data: Path) -> None:
        self.require_refused(archive, backup(archive, engine="another"), data)

    def test_of_a_newer_release_changes_nothing(self, archive: Archive, data: Path) -> None:
        self.require_refused(archive, backup(archive, heads={"accounts": ["9999_later"]}), data)

    def test_of_a_path_that_leads_out_changes_nothing(self, archive: Archive, data: Path) -> None:
        self.require_refused(archive, backup(archive, "secrets/../../outside.txt"), data)

    def test_of_a_ref_that_leads_out_changes_nothing(self, archive: Archive, data: Path) -> None:
        refs = b'{"%s": {"refs/heads/../../config": "%s"}}' % (STORAGE.encode(), b"ab" * 20)
        self.require_refused(archive, backup(archive, refs=refs), data)

    @staticmethod
    def require_refused(archive: Archive, name: str, data: Path) -> None:
        before = held(data.parents[1])
        with pytest.raises(BackupFailed):
            restoring.restore(archive, name, replace=True)
        assert held(data.parents[1]) == before


class TestSecrets:
    def test_are_put_back_and_those_here_are_put_aside(self, tmp_path: Path, data: Path) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (data / "ssh").symlink_to(elsewhere)
        aside = data / "before"
        restoring._put_secrets({"secret_key": b"the other", "ssh/host_key": b"a key"}, data, aside)
        assert (data / "secret_key").read_bytes() == b"the other"
        assert (data / "secret_key").stat().st_mode & 0o777 == 0o600
        assert (data / "ssh" / "host_key").read_bytes() == b"a key"
        assert (aside / "secret_key").read_text() == "the key of this hub"
        assert (aside / "ssh").is_symlink()
        assert not list(elsewhere.iterdir())

    def test_that_the_backup_lacks_stay(self, data: Path) -> None:
        restoring._put_secrets({}, data, data / "before")
        assert (data / "secret_key").read_text() == "the key of this hub"
        assert not (data / "before").exists()


def start_web() -> None:
    with socket.socket() as listener:
        web.run(listener, 1, Limits())


STARTS: dict[str, Callable[[], object]] = {
    "web": start_web,
    "worker": lambda: worker_init.send(sender=None),
    "beat": lambda: beat_init.send(sender=None),
    "tunnels": tunnels.main,
    "ssh": ssh.main,
}


class TestProcesses:
    @pytest.mark.parametrize("name", STARTS)
    def test_do_not_start_while_a_restore_runs(
        self, name: str, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BAZAAR_DATA_DIR", str(data))
        with restoring._alone(), pytest.raises(SystemExit, match="A restore runs"):
            STARTS[name]()

    def test_that_run_keep_a_restore_away_until_they_are_killed(self, archive: Archive, data: Path) -> None:
        code = "import sys; from pathlib import Path; from foundation import data_folder_lock; "
        code += f"data_folder_lock.share(Path({str(data)!r})); print('runs', flush=True); sys.stdin.read()"
        command = [sys.executable, "-c", code]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"runs\n"
            self.require_refused(archive, data)
            process.kill()
        with restoring._alone():
            pass

    def test_of_a_supervisor_keep_a_restore_away(self, archive: Archive, data: Path) -> None:
        with (data / "server.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.require_refused(archive, data)

    @staticmethod
    def require_refused(archive: Archive, data: Path) -> None:
        name, before = backup(archive), held(data)
        with pytest.raises(BackupFailed, match="runs on"):
            restoring.restore(archive, name, replace=True)
        assert held(data) == before
