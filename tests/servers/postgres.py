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
    if not copy.exists():
        shutil.copytree(home, copy, symlinks=True)
    return copy


class Server:
    """A PostgreSQL below a scratch folder, which stays when the server is stopped and started again."""

    def __init__(self, scratch: Path, *, name: str = "data") -> None:
        self.user = _unprivileged()
        scratch.chmod(0o711)
        self.scratch = scratch
        self.data = self.folder(name)
        self.programs = _installation(scratch, self.user) / "bin"
        self.log = scratch / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def folder(self, name: str) -> Path:
        """A folder below the scratch folder that belongs to the server's user."""
        made = self.scratch / name
        made.mkdir(mode=0o700, exist_ok=True)
        if self.user is not None:
            os.chown(made, self.user, self.user)
        return made

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs as the server's user."""
        subprocess.run(
            [self.programs / program, *arguments],
            user=self.user,
            group=self.user,
            extra_groups=[] if self.user is not None else None,
            cwd=self.data,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def initialize(self) -> None:
        self.run(
            "initdb", "-D", str(self.data), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N"
        )

    def start(self, *settings: str) -> None:
        """Start it with these settings (`name=value`); returns when it answers."""
        process = self.launch(*settings)
        processes.wait_until(
            self.is_ready, what=f"PostgreSQL ({self.log})", process=process, patience_seconds=120
        )

    def launch(self, *settings: str) -> subprocess.Popen[bytes]:
        """Start it, also after it was killed. It answers once `is_ready` says so."""
        words = [word for setting in (*MORE, *settings) for word in ("-c", setting)]
        with self.log.open("ab") as output:
            self._process = processes.spawn(
                [self.programs / "postgres", "-D", self.data, "-h", "", "-k", self.data, *words],
                output=output,
                user=self.user,
                cwd=self.data,
            )
        return self._process

    def is_ready(self) -> bool:
        words = [self.programs / "pg_isready", "-q", "-h", str(self.data), "-U", SUPERUSER]
        return subprocess.run(words, check=False).returncode == 0

    def stop(self) -> None:
        if self._process is not None:
            processes.stop(self._process, ask_with=signal.SIGINT)

    @property
    def url(self) -> str:
        # The server's own folder is closed to others, but root and the owner are not others.
        return f"postgresql://{SUPERUSER}@/bazaar?host={quote(str(self.data), safe='')}"


@contextlib.contextmanager
def running(*, is_durable: bool = False) -> Iterator[str]:
    """Run a fresh server for the block; gives the URL of its empty database `bazaar`.

    A durable one flushes each commit to the disk, as a server with data of worth does.
    """
    with tempfile.TemporaryDirectory(prefix="bazaar-pg-") as scratch:
        server = Server(Path(scratch))
        server.initialize()
        try:
            server.start(*(() if is_durable else FAST))
            server.run("createdb", "-h", str(server.data), "-U", SUPERUSER, "bazaar")
            yield server.url
        finally:
            server.stop()


def main() -> int:
    with running() as url:
        # Importing our own code has named the settings already, and pytest would take that for a wish.
        env = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "bazaar.settings.test"}
        return subprocess.run(sys.argv[1:], env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
