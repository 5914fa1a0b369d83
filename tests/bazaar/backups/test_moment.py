"""PostgreSQL restores its rows to a moment between two backups, and git and objects follow."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.bazaar.backups.test_live import (
    KEY,
    LOOKING,
    SMALL_THRESHOLD,
    Writers,
    commands_of_the_page,
    elsewhere,
)
from tests.servers.live import LiveBazaar
from tests.servers.postgres import FAST, SUPERUSER, Server
from tests.servers.remote import ROOT, Remote
from tests.waiting import until

PAGE = ROOT / "docs" / "operate" / "backup.md"


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder with a short path, for the sockets of the servers."""
    with tempfile.TemporaryDirectory(prefix="bazaar-pg-") as folder:
        yield Path(folder)


def settings_of_the_page(archive: Path, moment: str) -> list[str]:
    """The settings of PostgreSQL that the page shows, with the archive and the moment of the test."""
    lines = [line for line in PAGE.read_text().splitlines() if line.partition(" = ")[0] in NAMES]
    assert [line.partition(" = ")[0] for line in lines] == list(NAMES)
    written = [
        line.replace("/srv/wal", str(archive)).replace("2026-12-01 12:00:00+00", moment) for line in lines
    ]
    return [line.replace(" = '", "=").removesuffix("'").replace(" = ", "=") for line in written]


NAMES = (
    "archive_mode",
    "archive_command",
    "restore_command",
    "recovery_target_time",
    "recovery_target_action",
)


def archived(url: str) -> bool:
    """True when the log up to now is in the archive."""
    with psycopg.connect(url, autocommit=True) as server:
        row = server.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
        assert row is not None

        def is_there() -> bool:
            last = server.execute("SELECT last_archived_wal FROM pg_stat_archiver").fetchone()
            return bool(last and last[0] and last[0] >= row[0])

        return until(is_there)


@pytest.mark.timeout(900)
def test_rows_of_a_moment_get_their_git_and_objects(
    make_bazaar: Callable[..., LiveBazaar], scratch: Path, tmp_path: Path
) -> None:
    before = Server(scratch, name="a")
    archive, base = before.folder("wal"), before.folder("base")
    before.initialize()
    try:
        before.start(*FAST, *settings_of_the_page(archive, "")[:2])
        before.run("createdb", "-h", str(before.data), "-U", SUPERUSER, "bazaar")
        place = str(tmp_path / "to")
        bazaar = make_bazaar(
            database_url=before.url, **SMALL_THRESHOLD, BAZAAR_BACKUP_KEY=KEY, BAZAAR_BACKUP_TO=place
        )
        before.run("pg_basebackup", "-h", str(before.data), "-U", SUPERUSER, "-D", str(base), "-c", "fast")
        writers = Writers(bazaar)
        writers._commit(1)
        writers._order(1)
        with psycopg.connect(before.url) as server:
            [moment] = server.execute("SELECT clock_timestamp()::text").fetchone() or [""]
        kept = writers.acknowledged.copy()
        writers._commit(2)
        bazaar.manage("backup", "create")
        assert archived(before.url)
        bazaar.close()
    finally:
        before.stop()
    after = Server(scratch, name="b")
    shutil.copytree(base, after.data, dirs_exist_ok=True, copy_function=shutil.copy2)
    (after.data / "recovery.signal").touch()
    if after.user is not None:
        for path in [after.data, *after.data.rglob("*")]:
            shutil.chown(path, after.user, after.user)
    try:
        after.start(*FAST, *settings_of_the_page(archive, moment)[2:])
        with psycopg.connect(after.url, autocommit=True) as server:
            until(lambda: server.execute("SELECT NOT pg_is_in_recovery()").fetchone() == (True,))
        there_env = elsewhere(bazaar, tmp_path / "there", database_url=after.url)
        with closing(Remote(there_env)) as there:
            [restore] = [words for words in commands_of_the_page(place) if "--keep-rows" in words]
            said = there.command(*restore)
            assert "Everything checked is right." in said
            found = there.call(f"{LOOKING}:commits", writers.repo)
            assert found["heads"] == [kept.commits[-1]] * 2
            assert kept.oids[-1] in there.call(f"{LOOKING}:whole_oids", writers.repo)
            assert set(kept.orders) <= set(there.call(f"{LOOKING}:orders"))
            assert writers.acknowledged.commits[-1] not in found["commits"]
    finally:
        after.stop()
