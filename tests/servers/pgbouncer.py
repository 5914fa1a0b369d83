"""PgBouncer in transaction mode before a PostgreSQL of our own.

As a command it runs another one through it, with a fresh server behind:
`python -m tests.servers.pgbouncer pytest --reuse-db tests/concurrency`. The database stays: the pooler
has sessions in it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bazaar.server import processes
from tests.servers import ports, postgres

# Fewer sessions than a test has threads, so that transactions of one client meet different sessions.
SESSIONS = 20


def find_binary() -> Path:
    """Raises FileNotFoundError when the machine has no PgBouncer."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise FileNotFoundError("No pgbouncer: install Debian's package pgbouncer.")
    return Path(found)


def configuration(folder: Path, *, server: str, port: int) -> str:
    """The text of pgbouncer.ini; `server` is the address of the PostgreSQL behind, on a Unix socket."""
    behind = parse_qs(urlsplit(server).query)["host"][0]
    (folder / "users").write_text(f'"{postgres.SUPERUSER}" ""\n')
    lines = [
        "[databases]",
        f"* = host={behind} user={postgres.SUPERUSER}",
        "[pgbouncer]",
        "listen_addr = 127.0.0.1",
        f"listen_port = {port}",
        "unix_socket_dir =",
        "pool_mode = transaction",
        "auth_type = trust",
        f"auth_file = {folder / 'users'}",
        f"default_pool_size = {SESSIONS}",
        "max_client_conn = 500",
    ]
    return "\n".join(lines) + "\n"


def start(folder: Path, *, server: str, port: int) -> subprocess.Popen[bytes]:
    """Start a pooler whose files lie in `folder`. It refuses to run as root, so `nobody` runs it then."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pgbouncer.ini"
    path.write_text(configuration(folder, server=server, port=port))
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    for made in (path, folder / "users"):
        made.chmod(0o644)
    folder.chmod(0o755)
    with (folder / "log").open("ab") as output:
        return processes.spawn([find_binary(), path], output=output, user=user)


@contextlib.contextmanager
def running(folder: Path, *, server: str) -> Iterator[str]:
    """Run a pooler before `server` for the block; gives the address that clients use, as the hub wants it."""
    (port,) = ports.free_ports(1)
    process = start(folder, server=server, port=port)
    try:
        processes.wait_until(lambda: ports.listens(port), what=f"PgBouncer ({folder})", process=process)
        yield url_of(server, port)
    finally:
        processes.stop(process)


def url_of(server: str, port: int) -> str:
    name = urlsplit(server).path.lstrip("/")
    return f"postgresql://{postgres.SUPERUSER}@127.0.0.1:{port}/{name}?prepare_threshold=off"


def main() -> int:
    with (
        tempfile.TemporaryDirectory(prefix="bazaar-pooler-") as folder,
        postgres.running() as server,
        running(Path(folder), server=server) as url,
    ):
        env = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "bazaar.settings.test"}
        return subprocess.run(sys.argv[1:], env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
