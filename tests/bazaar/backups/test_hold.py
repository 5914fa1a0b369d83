"""The hold on collections lasts as long as a backup stores anything, or the backup fails."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import connection, transaction

from bazaar.backups import creating
from bazaar.backups.creating import HOLD, HOLD_RENEWED, _Hold
from bazaar.backups.errors import BackupFailed
from bazaar.backups.sealing import Sealer
from bazaar.backups.storage import CHUNK_BYTES, Archive, Writer
from hub.blobstore import LocalBlobStore
from hub.repos import holds

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Clock:
    """The time that a backup sees, and the ends of the holds that it placed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOON
        self.placed: list[datetime] = []
        monkeypatch.setattr(creating, "timezone", SimpleNamespace(now=lambda: self.now))
        monkeypatch.setattr(holds, "hold", lambda *, until: self.placed.append(until))

    def slow_pieces(self, count: int, each: timedelta) -> Iterator[bytes]:
        for number in range(count):
            self.now += each
            yield bytes([number]) * CHUNK_BYTES


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def writer_of(folder: Path) -> tuple[Writer, _Hold]:
    hold = _Hold()
    return Writer(Archive(LocalBlobStore(folder), Sealer("")), None, renew=hold.renew), hold


class TestHold:
    def test_is_renewed_within_one_large_file(self, clock: Clock, tmp_path: Path) -> None:
        writer, hold = writer_of(tmp_path)
        writer.add("large", clock.slow_pieces(12, timedelta(minutes=4)))
        hold.renew()
        passed = clock.now - NOON
        assert passed > HOLD
        assert clock.now < clock.placed[-1]
        gaps = [later - earlier for earlier, later in zip(clock.placed, clock.placed[1:], strict=False)]
        assert max(gaps) < HOLD
        assert min(gaps) >= HOLD_RENEWED >= MINUTE

    def test_that_ended_fails_the_backup(self, clock: Clock, tmp_path: Path) -> None:
        writer, _ = writer_of(tmp_path)
        with pytest.raises(BackupFailed, match="may have been collected"):
            writer.add("large", clock.slow_pieces(2, HOLD))

    def test_that_ended_while_it_was_renewed_fails_the_backup(
        self, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hold = _Hold()

        def wait(*, until: datetime) -> None:
            clock.now += HOLD

        monkeypatch.setattr(holds, "hold", wait)
        clock.now += HOLD_RENEWED + MINUTE
        with pytest.raises(BackupFailed):
            hold.renew()

    @pytest.mark.postgres
    @pytest.mark.django_db(transaction=True)
    def test_is_renewed_while_rows_are_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = NOON
        monkeypatch.setattr(creating, "timezone", SimpleNamespace(now=lambda: now))
        hold = _Hold()
        now += HOLD - MINUTE
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SELECT 1")
            hold.renew()
        assert holds.is_held(NOON + HOLD + MINUTE)
