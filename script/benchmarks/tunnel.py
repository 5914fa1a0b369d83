"""The way into leases: bytes a second, latency, idle connections, many streams; loopback is the control."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import resource
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bazaar.server import processes
from compute_market.runners.targets import tcp_target
from compute_market.runners.tunnels import TunnelEnds
from compute_market.tunnels.grants import Grant, Ticket, key_from, ticket_secret
from compute_market.tunnels.handover import Handover, Sender

SECRET = "a key of this measurement alone, of forty characters"  # noqa: S105 - it opens nothing
# Long enough for all idle connections to be made on a busy machine.
IDLE_SECONDS = 60
PIECE = bytes(256 * 1024)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"


class Origin(asyncio.Protocol):
    """The server in a lease: `/SIZE` returns so many bytes; lines that are not requests are echoed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.left = 0
        self.is_paused = False

    def data_received(self, data: bytes) -> None:
        if not data.startswith(b"GET /"):
            self.transport.write(data)
            return
        size = int(data[5:].split(b" ", 1)[0] or 0)
        self.transport.write(HEAD % size)
        self.left = size
        self.pour()

    def pour(self) -> None:
        while self.left and not self.is_paused:
            piece = PIECE[: min(len(PIECE), self.left)]
            self.left -= len(piece)
            self.transport.write(piece)

    def pause_writing(self) -> None:
        self.is_paused = True

    def resume_writing(self) -> None:
        self.is_paused = False
        self.pour()


def serve_origin(port_pipe: int) -> None:
    """A process of its own: the origin's work is not the tunnels'."""
    import uvloop

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Origin, "127.0.0.1", 0, backlog=4096)
        os.write(port_pipe, f"{server.sockets[0].getsockname()[1]}\n".encode())
        await server.serve_forever()

    uvloop.run(run())


def serve_agent(hub: str, port: str, lease: str) -> None:
    """The agent's ends, in a process of their own."""
    key = key_from(SECRET)
    now = time.time()
    word = Ticket(int(lease), "bench", ((port, "web"),), now + 3600, now, now + 3600).signed(key)
    ends = TunnelEnds(hub, say=print)
    target = {port: tcp_target(int(port))}
    ends.serve("bench", ticket=word, secret=ticket_secret(key, word), until=1, targets=target)
    threading.Event().wait()


class Setting:
    """The origin, the tunnels' own process, an agent's process; and how they are reached."""

    def __init__(self, folder: Path) -> None:
        self.key = key_from(SECRET)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.listener.set_inheritable(True)
        self.port = int(self.listener.getsockname()[1])
        reader, writer = os.pipe()
        os.set_inheritable(writer, True)
        self.env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "BAZAAR_DATA_DIR": str(folder),
            "BAZAAR_SECRET_KEY": SECRET,
            "BAZAAR_TUNNELS_BIND": f"fd://{self.listener.fileno()}",
            "BAZAAR_LEASES_URL": f"http://localhost:{self.port}",
            "REDIS_URL": f"unix://{folder}/no-redis.sock",
            "BAZAAR_LOG_LEVEL": "ERROR",
        }
        me = [sys.executable, str(Path(__file__).resolve())]
        self.origin = processes.spawn([*me, "--origin", str(writer)], env=self.env, pass_fds=(writer,))
        os.close(writer)
        self.origin_port = int(os.read(reader, 100))
        os.close(reader)
        self.tunnels = processes.spawn(
            [sys.executable, "-m", "bazaar.server.tunnels"], env=self.env, pass_fds=(self.listener.fileno(),)
        )
        self.socket_path = folder / "run" / "tunnels.sock"
        processes.wait_until(self.socket_path.exists, what="tunnels", process=self.tunnels)
        words = ["--agent", f"http://127.0.0.1:{self.port}", str(self.origin_port), "17"]
        self.agent = processes.spawn([*me, *words], env=self.env)
        processes.wait_until(self.is_reached, what="the way in", process=self.agent)

    def is_reached(self) -> bool:
        with contextlib.suppress(OSError), self.visit() as end:
            return ask(end, self.head(3))[0] == 3
        return False

    def head(self, size: int) -> bytes:
        word = Grant(17, "web", time.time() + 3600).signed(self.key)
        host = f"17--web.localhost:{self.port}"
        return f"GET /{size} HTTP/1.1\r\nHost: {host}\r\nCookie: bazaar-grant={word}\r\n\r\n".encode()

    def visit(self) -> socket.socket:
        end = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return end

    def direct(self) -> socket.socket:
        end = socket.create_connection(("127.0.0.1", self.origin_port), timeout=60)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return end

    def pipe(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.settimeout(120)
        Sender(self.socket_path, self.key).send(theirs, Handover(kind="raw", lease=17, port="web"))
        return ours

    def close(self) -> None:
        for process in (self.agent, self.tunnels, self.origin):
            processes.stop(process)
        self.listener.close()


def ask(end: socket.socket, head: bytes) -> tuple[int, float]:
    """Bytes of the body, and the seconds until its last one."""
    began = time.perf_counter()
    end.sendall(head)
    received = b""
    while b"\r\n\r\n" not in received:
        piece = end.recv(65536)
        if not piece:
            raise ConnectionError
        received += piece
    head_text, _, rest = received.partition(b"\r\n\r\n")
    size = int(head_text.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    got, buffer = len(rest), memoryview(bytearray(1024 * 1024))
    while got < size:
        count = end.recv_into(buffer)
        if not count:
            raise ConnectionError
        got += count
    return got, time.perf_counter() - began


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def measure_bytes(setting: Setting, size: int) -> None:
    """Megabytes for a second of processor time, which other work on the machine does not change."""
    plain = f"GET /{size} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with setting.direct() as end:
        _, direct = ask(end, plain)
    for name, opened, head in (
        ("HTTP by its own address", setting.visit, setting.head(size)),
        ("a raw pipe", setting.pipe, plain),
    ):
        before = processor_seconds(setting.tunnels.pid), processor_seconds(setting.agent.pid)
        with opened() as end:
            _, seconds = ask(end, head)
        hub = processor_seconds(setting.tunnels.pid) - before[0]
        agent = processor_seconds(setting.agent.pid) - before[1]
        rates = [size / 1e6 / max(0.01, spent) for spent in (hub, agent)]
        print(
            f"{name}: {rates[0]:,.0f} MB a second of the hub's processor, {rates[1]:,.0f} of the agent's; "
            f"{size / 1e6 / seconds:,.0f} MB/s on the clock (direct {size / 1e6 / direct:,.0f})"
        )


def measure_latency(setting: Setting, count: int) -> None:
    """One small answer after another on kept connections, direct and by the tunnel in turn."""
    plain = b"GET /10 HTTP/1.1\r\nHost: x\r\n\r\n"
    head = setting.head(10)
    times: dict[str, list[float]] = {"direct": [], "by the tunnel": []}
    with setting.direct() as first, setting.visit() as second:
        for _ in range(count):
            times["direct"].append(ask(first, plain)[1])
            times["by the tunnel"].append(ask(second, head)[1])
    for name, found in times.items():
        found.sort()
        median, late = (found[count * part // 100] * 1000 for part in (50, 99))
        print(f"{name}: {median:.2f} ms at the median, {late:.2f} p99")
    added = statistics.median(times["by the tunnel"]) - statistics.median(times["direct"])
    print(f"added at the median: {added * 1000:.2f} ms")


def measure_streams(setting: Setting, count: int) -> None:
    """Streams that are open at once, each saying a line, all heard."""
    before = resident_mb(setting.tunnels.pid), resident_mb(setting.agent.pid)
    began = time.perf_counter()
    ends = [setting.pipe() for _ in range(count)]
    for number, end in enumerate(ends):
        end.sendall(b"%d\n" % number)
    lost = sum(end.recv(100) != b"%d\n" % number for number, end in enumerate(ends))
    seconds = time.perf_counter() - began
    print(
        f"{count} streams at once: {lost} lost, all heard after {seconds:.1f} s; the hub's process "
        f"{resident_mb(setting.tunnels.pid):.0f} MB ({before[0]:.0f} before), "
        f"the agent's {resident_mb(setting.agent.pid):.0f} ({before[1]:.0f})"
    )
    for end in ends:
        end.close()


def measure_idle(setting: Setting, count: int) -> None:
    """Spare connections of many works that wait."""
    before = resident_mb(setting.tunnels.pid)
    works = count // 4
    now = time.time()
    ends = TunnelEnds(f"http://127.0.0.1:{setting.port}", say=print)
    for number in range(works):
        ticket = Ticket(100 + number, f"idle-{number}", (("1", ""),), now + 3600, now, now + 3600)
        word = ticket.signed(setting.key)
        secret = ticket_secret(setting.key, word)
        ends.serve(ticket.work, ticket=word, secret=secret, until=1, targets={})
    deadline = time.monotonic() + IDLE_SECONDS
    while ends.spares < works * 4 and time.monotonic() < deadline:
        time.sleep(0.2)
    print(f"{ends.spares} idle connections: {resident_mb(setting.tunnels.pid):.0f} MB ({before:.0f} before)")
    ends.close()


@contextlib.contextmanager
def setting() -> Iterator[Setting]:
    with tempfile.TemporaryDirectory() as folder:
        made = Setting(Path(folder))
        try:
            yield made
        finally:
            made.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--origin", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--agent", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if chosen.origin is not None:
        serve_origin(chosen.origin)
    elif chosen.agent is not None:
        serve_agent(*chosen.agent)
    else:
        with setting() as made:
            print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
            measure_bytes(made, chosen.megabytes * 1_000_000)
            measure_latency(made, chosen.requests)
            measure_idle(made, 1000)
            measure_streams(made, chosen.streams)


if __name__ == "__main__":
    main()
