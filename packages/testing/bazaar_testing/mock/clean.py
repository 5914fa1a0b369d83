"""Back to the state in which the server started, within milliseconds.

SQLite writes the kept copy's pages over the database in one transaction; folders are moved aside and
deleted later. Numbers of rows go on counting, so that nothing remembered under one is found again.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
import uuid
from pathlib import Path

from django.conf import settings

from foundation import redis_connection
from hub.downloads import buffer

KEPT = "clean.sqlite3"
_lock = threading.Lock()


def keep() -> None:
    """Remember the database as it is now. Called once, before the server answers."""
    place = Path(settings.DATA_DIR) / KEPT
    with sqlite3.connect(_database()) as now, sqlite3.connect(place) as kept:
        now.backup(kept)


def reset() -> None:
    """Undo everything since `keep`: rows, repositories, objects, counters."""
    from compute_market.matching.clearing import shard_engines

    with _lock:
        _restore_rows()
        for folder in (settings.GIT_ROOT, settings.BLOB_ROOT, settings.TEMP_ROOT):
            _empty(Path(folder))
        buffer.send()
        redis_connection.connection().flushdb()
        shard_engines.forget_all()


def _database() -> str:
    return str(settings.DATABASES["default"]["NAME"])


def _restore_rows() -> None:
    kept = sqlite3.connect(Path(settings.DATA_DIR) / KEPT)
    live = sqlite3.connect(_database(), timeout=30)
    try:
        live.execute("PRAGMA synchronous=OFF")
        numbers = live.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
        kept.backup(live)
        with live:
            live.execute("DELETE FROM sqlite_sequence")
            live.executemany("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", numbers)
    finally:
        live.close()
        kept.close()


def _empty(folder: Path) -> None:
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    aside = folder.with_name(f"deleted-{uuid.uuid4().hex}")
    folder.rename(aside)
    folder.mkdir()
    threading.Thread(target=shutil.rmtree, args=(aside,), kwargs={"ignore_errors": True}).start()
