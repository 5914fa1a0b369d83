"""Runs web, worker, beat, tunnels and Redis as one: starts them in order, again when they end, stops all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from bazaar import parts, paths
from bazaar.paths import ROOT
from bazaar.server import local_node, processes, redis
from bazaar.server.children import Child
from bazaar.server.console import Console
from bazaar.server.options import Options
from bazaar.server.processes import ProcessFailed
from bazaar.server.sockets import tunnel_socket
from foundation.environment import text

TICK_SECONDS = 0.2
STOP_PATIENCE_SECONDS = 15.0
# Seconds that the web server takes to stop, at most.
TIMES_OF_A_STOP = ("BAZAAR_DRAIN_SECONDS", "BAZAAR_GRACEFUL_SECONDS")


class CannotStart(RuntimeError):
    """The server cannot run here; the message says why and what to do."""


class StopAsked(Exception):
    """Somebody pressed Ctrl-C or sent a signal to end."""


class Supervisor:
    """The parent of all processes. It imports no Django, so that watching costs little memory."""

    def __init__(self, options: Options, console: Console) -> None:
        self.options = options
        self.console = console
        self.listener: socket.socket | None = None
        self.leases_listener: socket.socket | None = None
        self.ssh_listener: socket.socket | None = None
        self.children: list[Child] = []
        # The file in which readiness finds the faults of the children.
        self.parts_file = options.data / "parts.json"
        self._told: dict[str, str] | None = None
        self.env = {
            **os.environ,
            "BAZAAR_DATA_DIR": str(options.data),
            "BAZAAR_PARTS_FILE": str(self.parts_file),
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
        }
        self.env.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.dev")
        self.env.setdefault("BAZAAR_GRACEFUL_SECONDS", "3")
        # glibc keeps a heap for every thread; two are enough, and spare tens of megabytes.
        self.env.setdefault("MALLOC_ARENA_MAX", "2")
        self.env.setdefault("PROMETHEUS_MULTIPROC_DIR", str(options.data / "metrics"))
        if console.is_coloured:
            self.env.setdefault("BAZAAR_LOG_COLOURS", "yes")

    # ---- the whole run --------------------------------------------------------------------------

    def run(self, *, greet: Callable[[str], str]) -> int:
        """Start everything, watch until asked to stop, stop everything. Returns the exit code.

        `greet` turns the address into what a newcomer should read once all parts are up.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        code = 0
        paths.keep_private()
        try:
            with self._own_data_folder(), self._listening() as address:
                self._start_all()
                self.console.say(greet(address))
                self._watch()
        except StopAsked:
            self.console.say("Stopping.")
        except (CannotStart, ProcessFailed, FileNotFoundError, PermissionError) as error:
            self.console.say(f"{error}")
            code = 1
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            self._stop_all()
        return code

    @staticmethod
    def _on_signal(_number: int, _frame: FrameType | None) -> None:
        raise StopAsked

    # ---- what must be ours before anything starts -----------------------------------------------

    @contextlib.contextmanager
    def _own_data_folder(self) -> Iterator[None]:
        """One server a data folder: two would fight over its Redis and its database."""
        folder = self.options.data
        try:
            paths.make_private(folder)
            lock = (folder / "server.lock").open("a")
        except OSError as error:
            raise CannotStart(f"The data folder {folder} cannot be used: {error.strerror}.") from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CannotStart(
                    f"Another server runs on {folder}. Stop it, or choose another folder with --data."
                ) from None
            yield

    @contextlib.contextmanager
    def _listening(self) -> Iterator[str]:
        """Keep the web socket open here, so that connections wait while the web server restarts."""
        host, port = self.options.host, self.options.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listener = socket.create_server((host, port), family=family, backlog=1024)
        except OSError as error:
            raise CannotStart(
                f"Cannot listen on {host} port {port}: {error.strerror}. Choose another with --port."
            ) from None
        with listener:
            listener.set_inheritable(True)
            self.listener = listener
            shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)  # noqa: S104
            name = f"[{shown}]" if ":" in shown else shown
            yield f"http://{name}:{listener.getsockname()[1]}"

    # ---- the parts ------------------------------------------------------------------------------

    def _start_all(self) -> None:
        if not text("REDIS_URL"):
            self._add(self._redis())
        metrics = Path(self.env["PROMETHEUS_MULTIPROC_DIR"])
        shutil.rmtree(metrics, ignore_errors=True)  # counts of processes that ended with the last run
        metrics.mkdir(parents=True)
        self._prepare()
        self._tell_parts()
        assert self.listener is not None
        self.env["BAZAAR_BIND"] = f"fd://{self.listener.fileno()}"
        self.env["BAZAAR_PORT"] = str(self.listener.getsockname()[1])
        self._listen_for_leases()
        self._add(Child("tunnels", self._start_tunnels, ready=tunnel_socket(self.options.data).exists))
        self._listen_for_ssh()
        if self.ssh_listener is not None:
            self._add(Child("ssh", self._start_ssh))
        self._add(Child("worker", self._start_worker))
        self._add(Child("web", self._start_web, ready=self._web_answers))
        if self.options.local_node and local_node.is_wanted(self.options.data):
            self._add(Child("node", self._start_node, is_needed=False))

    def _add(self, child: Child) -> None:
        self.children.append(child)
        self._launch(child)

    def _launch(self, child: Child) -> None:
        """Start a child for the first time. Raises ProcessFailed: that is not tried again."""
        child.process = child.start()
        child.started_at = time.monotonic()
        if child.ready is not None:
            processes.wait_until(child.ready, what=child.name, process=child.process)

    def _redis(self) -> Child:
        path = redis.socket_path(self.options.data)
        folder = self.options.data / "redis"

        def start() -> subprocess.Popen[bytes]:
            redis.take_over(path)
            process = redis.start(socket_path=path, folder=folder, output=subprocess.PIPE, quiet=True)
            return self._piped(process, "redis")

        return Child("redis", start, ready=lambda: redis.answers(path))

    def _prepare(self) -> None:
        """Bring the database up to date and, on the first start, fill it: in a process that then ends."""
        words = ["--empty"] if self.options.empty else []
        process = self._spawn("bazaar", [sys.executable, "-m", "bazaar.server.prepare", *words])
        child = Child("prepare", lambda: process, process=process)
        self.children.append(child)
        if code := process.wait():
            raise CannotStart(f"The database could not be prepared (code {code}); its lines above say why.")
        self.children.remove(child)

    def _start_worker(self) -> subprocess.Popen[bytes]:
        # Beat is forked from the worker (-B) and shares its memory: a process of its own costs 80 MB.
        argv = [sys.executable, "-m", "celery", "-A", "bazaar", "--quiet", "worker", "-B", *WORKER]
        argv += ["-c", self.env.get("BAZAAR_WORKER_PROCESSES") or "2", "-s", str(self.options.data / "beat")]
        # A worker without its Redis tries to reconnect forever, and ignores every signal that asks it to end.
        return self._spawn("worker", argv, orphaned=signal.SIGKILL)

    def _listen_for_leases(self) -> None:
        """Give ports of leases an origin of their own: hosts below `localhost`, which browsers find here.

        If other machines reach this server, it needs a domain, which the operator names (BAZAAR_LEASES_URL).
        """
        host, port = self.options.host, int(self.env["BAZAAR_PORT"])
        if self.env.get("BAZAAR_TUNNELS_BIND") or host not in {"127.0.0.1", "::1", "localhost"}:
            return
        self.leases_listener = _listen(host, port + 1) or _listen(host, 0)
        if self.leases_listener is not None:
            self.leases_listener.set_inheritable(True)
            self.env["BAZAAR_TUNNELS_BIND"] = f"fd://{self.leases_listener.fileno()}"
            self.env.setdefault(
                "BAZAAR_LEASES_URL", f"http://localhost:{self.leases_listener.getsockname()[1]}"
            )

    def _listen_for_ssh(self) -> None:
        """Hold the socket for ssh clients. If its port is taken there is no ssh, and the console says so."""
        port = int(self.env.get("BAZAAR_SSH_PORT") or (2222 if self.options.port else 0))
        self.ssh_listener = _listen(self.options.host, port) if port >= 0 else None
        if self.ssh_listener is None:
            self.console.say(f"No ssh to leases: port {port} is taken (BAZAAR_SSH_PORT).")
            self.env["BAZAAR_SSH_PORT"] = "0"
            return
        self.ssh_listener.set_inheritable(True)
        self.env["BAZAAR_SSH_BIND"] = f"fd://{self.ssh_listener.fileno()}"
        self.env["BAZAAR_SSH_PORT"] = str(self.ssh_listener.getsockname()[1])

    def _start_ssh(self) -> subprocess.Popen[bytes]:
        assert self.ssh_listener is not None
        argv = [sys.executable, "-m", "compute_market.ssh"]
        return self._spawn("ssh", argv, pass_fds=(self.ssh_listener.fileno(),))

    def _start_tunnels(self) -> subprocess.Popen[bytes]:
        tunnel_socket(self.options.data).unlink(missing_ok=True)
        inherited = (self.leases_listener.fileno(),) if self.leases_listener is not None else ()
        return self._spawn("tunnels", [sys.executable, "-m", "bazaar.server.tunnels"], pass_fds=inherited)

    def _start_web(self) -> subprocess.Popen[bytes]:
        assert self.listener is not None
        argv = [sys.executable, "-m", "bazaar.server.web"]
        return self._spawn("web", argv, pass_fds=(self.listener.fileno(),))

    def _start_node(self) -> subprocess.Popen[bytes]:
        """The agent of this machine's own node, which works for this hub alone."""
        host, port = self._local_address()
        name = f"[{host}]" if ":" in host else host
        argv = local_node.words(self.options.data, hub=f"http://{name}:{port}")
        return self._spawn("node", argv)

    def _web_answers(self) -> bool:
        # The other children are not looked after while this waits.
        return processes.answers_http(*self._local_address(), "/healthz", patience_seconds=2)

    def _local_address(self) -> tuple[str, int]:
        """The address at which the web server answers on this machine."""
        assert self.listener is not None
        host, port = self.listener.getsockname()[:2]
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104

    def _spawn(
        self,
        name: str,
        argv: list[str],
        *,
        pass_fds: tuple[int, ...] = (),
        orphaned: signal.Signals = signal.SIGTERM,
    ) -> subprocess.Popen[bytes]:
        started = processes.spawn(
            argv, output=subprocess.PIPE, env=self.env, cwd=ROOT, pass_fds=pass_fds, orphaned=orphaned
        )
        return self._piped(started, name)

    def _piped(self, process: subprocess.Popen[bytes], name: str) -> subprocess.Popen[bytes]:
        assert process.stdout is not None
        self.console.pass_on(process.stdout, name=name)
        return process

    # ---- while it runs, and after ---------------------------------------------------------------

    def _watch(self) -> None:
        """Start again what ends, each child by itself, until somebody asks to stop."""
        while True:
            for child in self.children:
                if line := child.tick(time.monotonic()):
                    self.console.say(line)
            self._tell_parts()
            time.sleep(TICK_SECONDS)

    def _tell_parts(self) -> None:
        """Write down which needed children are not up, if that has changed."""
        problems = {child.name: child.problem for child in self.children if child.problem and child.is_needed}
        if problems != self._told:
            # Without the file, on a full disk, readiness says that it cannot be read.
            with contextlib.suppress(OSError):
                parts.write(self.parts_file, problems)
                self._told = problems

    def _stop_all(self) -> None:
        """The last started first: no new requests, then no new work, then the broker."""
        ends_within = sum(int(self.env.get(name) or 0) for name in TIMES_OF_A_STOP)
        for child in reversed(self.children):
            if child.process is not None:
                patience = max(STOP_PATIENCE_SECONDS, ends_within + 5.0)
                processes.stop(child.process, patience_seconds=patience)


WORKER = ["-l", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"]


def _listen(host: str, port: int) -> socket.socket | None:
    """A listening socket there, or None where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=4096)
    except (OSError, OverflowError):
        return None
