"""A whole bazaar, live: web processes, Redis, perhaps a Celery worker, with a data folder of its own."""

from __future__ import annotations

import itertools
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from bazaar.server import processes, redis, sockets
from bazaar.server.processes import ProcessFailed
from hub.accounts.token_text import new_token_text
from tests.servers import compared, ports
from tests.servers.remote import ROOT, Remote

_numbers = itertools.count(1)
# The environment variables that a client program needs; the rest (proxies, tokens, caches) stays out.
# `script/test --cover` measures servers as well.
INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "COVERAGE_PROCESS_CONFIG", "COVERAGE_FILE")
# Answers are compared in tests, not in benchmarks.
COMPARED, UNCOMPARED = "tests.servers.compared_settings", "bazaar.settings.live_test"
# Its first folder has a module that Python imports as it starts: what runs with it reaches loopback only.
_FOLDERS = ("tests/servers/offline", ".", "packages/client", "packages/testing")


def python_path(root: Path) -> str:
    """The folders of a checkout from which Python imports."""
    return os.pathsep.join(str(root / path) for path in _FOLDERS)


PYTHONPATH = python_path(ROOT)


def unique(prefix: str) -> str:
    """A name nobody else in this run has: live servers are shared by the tests of a session."""
    return f"{prefix}-{os.getpid()}-{next(_numbers)}"


@dataclass(frozen=True)
class LiveUser:
    """Somebody with an account on the live server, and an access token for it."""

    name: str
    password: str
    token: str


class LiveBazaar:
    """One running deployment. Use it as a context manager; everything ends with the block.

    `root` is the checkout whose code runs: this one, or that of another release.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str = "",
        settings: Mapping[str, str] | None = None,
        root: Path = ROOT,
    ) -> None:
        self.folder, self.root = folder, root
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        self._listener = ports.listening_socket()
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.env: dict[str, str] = {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            "DJANGO_SETTINGS_MODULE": COMPARED if compared.VARIABLE in os.environ else UNCOMPARED,
            "PYTHONPATH": python_path(root),
            "HOME": str(folder),
            "BAZAAR_DATA_DIR": str(self.data),
            "BAZAAR_BIND": f"fd://{self._listener.fileno()}",
            "BAZAAR_WEB_WORKERS": "2",
            "BAZAAR_GRACEFUL_SECONDS": "2",
            **{name: os.environ[name] for name in (compared.VARIABLE,) if name in os.environ},
            **({"DATABASE_URL": database_url} if database_url else {}),
            **(settings or {}),
        }
        self._log = (folder / "log").open("ab")
        self._redis: subprocess.Popen[bytes] | None = None
        self._web: subprocess.Popen[bytes] | None = None
        self._worker: subprocess.Popen[bytes] | None = None
        self._tunnels: subprocess.Popen[bytes] | None = None
        self._ssh: subprocess.Popen[bytes] | None = None
        self._ssh_listener = ports.listening_socket()
        self.ssh_port = int(self._ssh_listener.getsockname()[1])
        self._leases_listener = ports.listening_socket()
        self.leases_port = int(self._leases_listener.getsockname()[1])
        self.env.update(
            BAZAAR_PORT=str(self.port),
            BAZAAR_TUNNELS_BIND=f"fd://{self._leases_listener.fileno()}",
            BAZAAR_LEASES_URL=f"http://localhost:{self.leases_port}",
            BAZAAR_SSH_BIND=f"fd://{self._ssh_listener.fileno()}",
            BAZAAR_SSH_PORT=str(self.ssh_port),
        )
        self.remote = Remote(self.env, root)

    def __enter__(self) -> Self:
        try:
            self.start_redis()
            self.manage("migrate", "--verbosity=0")
            self.start_web()
        except ProcessFailed:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop what runs, the last started first."""
        self.remote.close()
        for process in (self._worker, self._ssh, self._tunnels, self._web, self._redis):
            if process is not None:
                processes.stop(process)
        self._listener.close()
        self._leases_listener.close()
        self._ssh_listener.close()
        self._log.close()

    # ---- its processes, for tests that kill and restart them ------------------------------------

    def start_redis(self) -> subprocess.Popen[bytes]:
        socket_path = redis.socket_path(self.data)
        process = redis.start(socket_path=socket_path, folder=self.data / "redis", output=self._log)
        self._redis = process
        processes.wait_until(lambda: redis.answers(socket_path), what="Redis", process=process)
        return process

    def start_web(self) -> subprocess.Popen[bytes]:
        """Start the web processes on the socket, which stays open over restarts: requests wait meanwhile."""
        process = processes.spawn(
            [sys.executable, "-m", "bazaar.server.web"],
            output=self._log,
            env=self.env,
            cwd=self.root,
            pass_fds=[self._listener.fileno()],
        )
        self._web = process
        processes.wait_until(
            lambda: processes.answers_http("127.0.0.1", self.port, "/healthz"),
            what=f"the web processes ({self.log_path})",
            process=process,
        )
        return process

    def stop_web(self) -> None:
        """Stop the web processes as an operator does, and wait until they are gone."""
        assert self._web is not None
        processes.stop(self._web)

    def start_tunnels(self) -> subprocess.Popen[bytes]:
        """Start the process that joins connections to leases', unless it runs."""
        if self._tunnels is None or self._tunnels.poll() is not None:
            path = sockets.tunnel_socket(self.data)
            path.unlink(missing_ok=True)
            self._tunnels = processes.spawn(
                [sys.executable, "-m", "bazaar.server.tunnels"],
                output=self._log,
                env=self.env,
                cwd=self.root,
                pass_fds=[self._leases_listener.fileno()],
            )
            processes.wait_until(path.exists, what=f"tunnels ({self.log_path})", process=self._tunnels)
        return self._tunnels

    def start_ssh(self) -> subprocess.Popen[bytes]:
        """Start the ssh server to leases, unless it runs."""
        if self._ssh is None or self._ssh.poll() is not None:
            self._ssh = processes.spawn(
                [sys.executable, "-m", "compute_market.ssh"],
                output=self._log,
                env=self.env,
                cwd=self.root,
                pass_fds=[self._ssh_listener.fileno()],
            )
            key = self.data / "ssh" / "host_ed25519"
            processes.wait_until(key.exists, what=f"ssh ({self.log_path})", process=self._ssh)
        return self._ssh

    def start_worker(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a Celery worker, unless one runs. On a shared bazaar use `worker`, which stops it again."""
        if self._worker is None or self._worker.poll() is not None:
            self._worker = processes.spawn(
                [
                    sys.executable,
                    "-m",
                    "celery",
                    "-A",
                    "bazaar",
                    "worker",
                    "-l",
                    "INFO",
                    "-c",
                    "2",
                    *arguments,
                ],
                output=self._log,
                env=self.env,
                cwd=self.root,
            )
        return self._worker

    @contextmanager
    def worker(self) -> Iterator[None]:
        """A worker for one test on a bazaar that others share; they must not find it at their work."""
        process = self.start_worker()
        try:
            yield
        finally:
            processes.stop(process)

    @property
    def web_pid(self) -> int:
        """The process that the web processes are children of."""
        assert self._web is not None
        return self._web.pid

    @property
    def log_path(self) -> Path:
        """The file with the output of all processes."""
        return self.folder / "log"

    # ---- people and clients ---------------------------------------------------------------------

    def manage(self, *words: str) -> str:
        """Run a management command against the live database; gives what it printed."""
        return self.remote.command(*words)

    def user(self, name: str = "", *, orgs: Sequence[str] = (), scopes: str = "write") -> LiveUser:
        """A new user with a token; `orgs` are `ORG` or `ORG:ROLE`, as `create_user --org` takes them."""
        person = LiveUser(
            name=name or unique("user"),
            password=secrets.token_urlsafe(12),
            token=new_token_text(),
        )
        memberships = [word for org in orgs for word in ("--org", org)]
        self.manage(
            "create_user",
            person.name,
            f"--password={person.password}",
            *("--token", person.token, "--scopes", scopes),
            *memberships,
        )
        return person

    def org(self, name: str = "") -> str:
        """A new organization's name."""
        name = name or unique("org")
        self.manage("create_org", name)
        return name

    @cached_property
    def alice(self) -> LiveUser:
        """The session's ordinary user."""
        return self.user(unique("alice"))

    @cached_property
    def bob(self) -> LiveUser:
        """Somebody else, with nothing in common with alice."""
        return self.user(unique("bob"))

    def client_env(self, user: LiveUser | None = None, *, home: Path | None = None) -> dict[str, str]:
        """The environment of a client program on a machine that has never seen this hub.

        Every call gives a fresh home, and with it fresh caches, unless one is passed in.
        """
        home = home or self.folder / unique("home")
        home.mkdir(parents=True, exist_ok=True)
        name = user.name if user else "nobody"
        (home / ".gitconfig").write_text(
            f"[user]\n\tname = {name}\n\temail = {name}@example.org\n[init]\n\tdefaultBranch = main\n"
        )
        return {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            "HOME": str(home),
            "NO_PROXY": "*",
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home / "hf"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "DO_NOT_TRACK": "1",
            "CSGHUB_DOMAIN": self.url,
            "MODELSCOPE_ENDPOINT": f"{self.url}/modelscope",
            "MODELSCOPE_CACHE": str(home / "modelscope"),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            **({"HF_TOKEN": user.token, "CSGHUB_TOKEN": user.token} if user else {}),
        }

    def git_url(self, path: str, user: LiveUser | None = None) -> str:
        """The address to clone `path` (`alice/model`, `datasets/alice/data`), token included."""
        credentials = f"{user.name}:{user.token}@" if user else ""
        return f"http://{credentials}127.0.0.1:{self.port}/{path}"
