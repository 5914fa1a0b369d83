"""`python -m bazaar_testing.server FOLDER`: a hub for tests, on SQLite, with a Redis of its own.

The settings are made, the database is copied from one that was migrated before, and the web process is
forked from this one, so that Django is loaded once. Ends by SIGTERM, and with its `--parent` on Linux.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import socket
import tempfile
from pathlib import Path

from bazaar.server import processes, redis, web
from hub.accounts.token_text import new_token_text

ADDRESS = "address"  # the file that says where the server is, once it listens


def main() -> None:
    parser = argparse.ArgumentParser(prog="bazaar_testing.server", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="for its data; left out: a temporary folder")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--parent", type=int, help="the id of the process that started this one and ends it")
    options = parser.parse_args()
    if options.parent is not None:
        processes.end_with_parent(signal.SIGTERM, parent=options.parent)
    if options.folder is None:
        with tempfile.TemporaryDirectory(prefix="model-hub-") as name:
            _serve(Path(name), options.host, options.port)
    else:
        _serve(options.folder, options.host, options.port)


def _serve(folder: Path, host: str, port: int) -> None:
    data, token = folder / "data", new_token_text()
    data.mkdir(parents=True, exist_ok=True)
    listener = socket.create_server((host, port), backlog=1024)
    for name in ("DATABASE_URL", "REDIS_URL", "BAZAAR_S3_BUCKET", "BAZAAR_S3_ENDPOINT"):
        os.environ.pop(name, None)
    os.environ.update(
        DJANGO_SETTINGS_MODULE="bazaar_testing.settings",
        MODEL_HUB_TOKEN=token,
        BAZAAR_DATA_DIR=str(data),
        BAZAAR_GRACEFUL_SECONDS="1",
        BAZAAR_LOG_LEVEL="warning",
        BAZAAR_PORT=str(listener.getsockname()[1]),
    )
    path = redis.socket_path(data)
    server = redis.start(socket_path=path, folder=data / "redis", durable=False, quiet=True)
    try:
        _prepare(data, token)
        processes.wait_until(lambda: redis.answers(path), what="Redis", process=server)
        (folder / "address.new").write_text(f"http://{host}:{listener.getsockname()[1]}")
        (folder / "address.new").rename(folder / ADDRESS)
        web.run(listener, 1, web.limits_of(1))
    finally:
        processes.stop(server, patience_seconds=2.0)


def _prepare(data: Path, token: str) -> None:
    """A migrated database with the tester in it, and a copy of it to go back to."""
    import django

    django.setup()
    from bazaar_testing.mock import clean, filling
    from hub.accounts import services as accounts
    from hub.accounts.principals import SYSTEM

    template = _template()
    if template.exists():
        shutil.copyfile(template, data / "db.sqlite3")
    else:
        _migrate(template)
    user, _ = accounts.ensure_user(actor=SYSTEM, name=filling.TESTER, full_name="Tester")
    accounts.ensure_token(actor=SYSTEM, user=user, secret=token, scopes=["write", "trade"])
    clean.keep()
    from django.db import connections

    connections.close_all()


def _template() -> Path:
    """The folder of the migrated database that later starts copy, named by a hash of the migrations."""
    import sqlite3

    from django.apps import apps

    digest = hashlib.sha256(sqlite3.sqlite_version.encode())
    for config in apps.get_app_configs():
        for file in sorted((Path(config.path) / "migrations").glob("*.py")):
            digest.update(f"{config.label}/{file.name}\n".encode() + file.read_bytes())
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "model-bazaar" / f"empty-{digest.hexdigest()[:16]}.sqlite3"


def _migrate(template: Path) -> None:
    import sqlite3

    from django.conf import settings
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
    new = template.with_suffix(f".{os.getpid()}")
    try:
        template.parent.mkdir(parents=True, exist_ok=True)
        with sqlite3.connect(settings.DATABASES["default"]["NAME"]) as source:
            copy = sqlite3.connect(new)
            source.backup(copy)
            copy.close()
        new.replace(template)
    except OSError:
        new.unlink(missing_ok=True)  # a machine without a place for it migrates each time


if __name__ == "__main__":
    main()
