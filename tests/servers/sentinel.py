"""Redis as several machines have it: a primary, a replica, and three Sentinels that choose the primary."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bazaar.server import processes
from bazaar.server.redis import DURABLE, find_binary
from tests.servers import ports

NAME = "bazaar"
SENTINELS = 3
QUORUM = 2
# A primary that is silent for so long has failed.
DOWN_AFTER_MILLISECONDS = 1000


@dataclass
class RedisGroup:
    """The processes and ports of the group, by name: `redis1`, `redis2`, `sentinel1` to `sentinel3`."""

    folder: Path
    ports: Mapping[str, int]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{self.ports[name]}" for name in self._sentinels())
        return f"redis+sentinel://{hosts}/{NAME}/0"

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start one process, also after it was killed. It is ready once `answers` says so."""
        with (self.folder / f"{name}.log").open("ab") as output:
            self.processes[name] = processes.spawn(self._words(name), output=output, cwd=self.folder)
        return self.processes[name]

    def answers(self, name: str) -> bool:
        with contextlib.suppress(redis.RedisError), self._client(name) as client:
            return bool(client.ping())
        return False

    def primary(self) -> str:
        """The name of the process that the Sentinels call the primary; "" while none of them answers."""
        for sentinel in self._sentinels():
            with contextlib.suppress(redis.RedisError), self._client(sentinel) as client:
                _host, port = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
                return next(name for name, known in self.ports.items() if known == int(port))
        return ""

    def is_complete(self) -> bool:
        """True if every Sentinel knows the two others and the replica, so that a failover can succeed."""
        for name in self._sentinels():
            try:
                with self._client(name) as client:
                    state = client.sentinel_masters()[NAME]
            except (redis.RedisError, KeyError):
                return False
            if (state["num-other-sentinels"], state["num-slaves"]) != (SENTINELS - 1, 1):
                return False
        return True

    def stop(self) -> None:
        for process in reversed(self.processes.values()):
            processes.stop(process)

    def _sentinels(self) -> list[str]:
        return [name for name in self.ports if "sentinel" in name]

    def _client(self, name: str) -> redis.Redis:
        return redis.Redis(port=self.ports[name], socket_timeout=1, retry=Retry(NoBackoff(), 0))

    def _words(self, name: str) -> list[str | Path]:
        if "sentinel" in name:
            return [find_binary(), self._sentinel_file(name), "--sentinel"]
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        port = str(self.ports[name])
        words = ["--port", port, "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", *DURABLE]
        # The Sentinels tell a server that was down which one it follows.
        first = self.ports["redis1"]
        return [
            find_binary(),
            *words,
            *(["--replicaof", "127.0.0.1", str(first)] if name == "redis2" else []),
        ]

    def _sentinel_file(self, name: str) -> Path:
        """The file of a Sentinel, which it rewrites itself: made once."""
        path = self.folder / f"{name}.conf"
        if not path.exists():
            lines = [
                f"port {self.ports[name]}",
                "bind 127.0.0.1",
                f"dir {self.folder}",
                f"sentinel monitor {NAME} 127.0.0.1 {self.ports['redis1']} {QUORUM}",
                f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MILLISECONDS}",
                f"sentinel failover-timeout {NAME} 5000",
            ]
            path.write_text("\n".join(lines) + "\n")
        return path


NAMES = ("redis1", "redis2", *(f"sentinel{number + 1}" for number in range(SENTINELS)))


def group(folder: Path) -> RedisGroup:
    """A group whose files lie in `folder`, not started."""
    folder.mkdir(parents=True, exist_ok=True)
    return RedisGroup(folder, dict(zip(NAMES, ports.free_ports(len(NAMES)), strict=True)))


@contextlib.contextmanager
def running(folder: Path) -> Iterator[RedisGroup]:
    """Run a fresh group for the block; it can lose its primary at once."""
    made = group(folder)
    try:
        for name in made.ports:
            process = made.start(name)
            processes.wait_until(lambda name=name: made.answers(name), what=name, process=process)  # type: ignore[misc]
        last = made.processes["sentinel3"]
        processes.wait_until(made.is_complete, what="the Sentinels", process=last, patience_seconds=120)
        yield made
    finally:
        made.stop()
