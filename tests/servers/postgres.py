"""A PostgreSQL of our own from the pgserver wheel, also when the tests run as root.

As a command it runs another one beside a fresh server, named by DATABASE_URL:
`python -m tests.servers.postgres pytest tests/hub`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from bazaar.server import processes

MORE = ("max_connections=200",)
# A test's server is thrown away: it need not survive a power cut.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
SUPERUSER = "postgres"


def _unprivileged() -> int | None:
    """PostgreSQL refuses to run as root; `nobody` owns its folder then."""
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def _installation(scratch: Path, user: int | None) -> Path:
    """The folder of the wheel's programs, or of a copy if the other user could not reach them."""
    wheel = importlib.util.find_spec("pgserver")
    if wheel is None or wheel.origin is None:
        raise FileNotFoundError("The wheel pgserver is not installed; set DATABASE_URL instead.")
    home = Path(wheel.origin).parent / "pginstall"
    if user is None or all(part.stat().st_mode & 0o001 for part in (home / "bin").resolve().parents):
        return home
    copy = scratch / "pginstall"
    shutil.copytree(home, copy, symlinks=True)
    return copy


@contextlib.contextmanager
def running(*, is_durable: bool = False) -> Iterator[str]:
    """Run a fresh server for the block; gives the URL of its empty database `bazaar`.

    A durable one flushes each commit to the disk, as a server with data of worth does.
    """
    user = _unprivileged()
    with tempfile.TemporaryDirectory(prefix="bazaar-pg-") as scratch_name:
        scratch = Path(scratch_name)
        scratch.chmod(0o711)
        data = scratch / "data"
        data.mkdir(mode=0o700)
        if user is not None:
            os.chown(data, user, user)
        programs = _installation(scratch, user) / "bin"
        log = scratch / "log"

        def run(program: str, *arguments: str) -> None:
            subprocess.run(
                [programs / program, *arguments],
                user=user,
                group=user,
                extra_groups=[] if user is not None else None,
                cwd=data,
                check=True,
                stdout=subprocess.DEVNULL,
            )

        run("initdb", "-D", str(data), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        settings = [word for setting in (*MORE, *(() if is_durable else FAST)) for word in ("-c", setting)]
        with log.open("wb") as output:
            server = processes.spawn(
                [programs / "postgres", "-D", data, "-h", "", "-k", data, *settings],
                output=output,
                user=user,
                cwd=data,
            )
        try:
            ready: list[str | Path] = [programs / "pg_isready", "-q", "-h", str(data), "-U", SUPERUSER]
            processes.wait_until(
                lambda: subprocess.run(ready, check=False).returncode == 0,
                what=f"PostgreSQL ({log})",
                process=server,
            )
            run("createdb", "-h", str(data), "-U", SUPERUSER, "bazaar")
            # The server's own folder is closed to others, but root and the owner are not others.
            yield f"postgresql://{SUPERUSER}@/bazaar?host={quote(str(data), safe='')}"
        finally:
            processes.stop(server, ask_with=signal.SIGINT)


def main() -> int:
    with running() as url:
        # Importing our own code has named the settings already, and pytest would take that for a wish.
        env = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "bazaar.settings.test"}
        return subprocess.run(sys.argv[1:], env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
