"""The verbs that go into a lease: its ports on this machine, a shell, files. OpenSSH does what is ssh's."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bazaar_client.market import Market, MarketError
from bazaar_client.shown import Column, Out, line

PIPE_PROTOCOL = "bazaar-tcp/1"
PIECE_BYTES = 256 * 1024
HEAD_BYTES_MAX = 64 * 1024
CONNECT_SECONDS = 30
# The exit code of ssh for a failed connection; any other code is the command's own.
SSH_FAILED = 255
# Allowed values in the hub's answer about a login. Others could be read as an option of OpenSSH, or by a
# shell.
LOGIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
HOST_KEY = re.compile(r"[a-z0-9][a-z0-9@.-]{0,63} [A-Za-z0-9+/]{1,4096}={0,2}")
PORT_MAX = 65535


@dataclass(frozen=True, slots=True)
class SshLogin:
    """The host, port and user with which OpenSSH logs in to a lease, and the public keys that the host may
    have.
    """

    user: str
    host: str
    port: int
    host_keys: tuple[str, ...]

    @property
    def destination(self) -> str:
        return f"{self.user}@{self.host}"

    @property
    def copy_destination(self) -> str:
        """For scp, which ends the host at the first colon outside of brackets."""
        return f"{self.user}@[{self.host}]" if ":" in self.host else self.destination

    @property
    def is_well_formed(self) -> bool:
        return (
            bool(LOGIN_NAME.fullmatch(self.user))
            and is_host(self.host)
            and type(self.port) is int
            and 0 < self.port <= PORT_MAX
            and all(HOST_KEY.fullmatch(key) for key in self.host_keys)
        )


def read_login(said: dict[str, Any]) -> SshLogin:
    """The hub's `ssh` object, checked, since its values become words of OpenSSH's command line.

    Raises: ValueError.
    """
    with contextlib.suppress(KeyError, TypeError):
        login = SshLogin(
            user=said["user"], host=said["host"], port=said["port"], host_keys=tuple(said["host_keys"])
        )
        if login.is_well_formed:
            return login
    raise ValueError("the hub says how to log in by ssh in a way that is not understood; nothing was started")


def is_host(text: str) -> bool:
    """True if a text is the name or the address of a host."""
    if HOST_NAME.fullmatch(text):
        return True
    with contextlib.suppress(ValueError):
        return "%" not in text and ipaddress.ip_address(text).version == 6
    return False


def served(text: str) -> dict[str, Any]:
    """`8888`, `8888=notebook` or `engine.sock` of the command line, as a work declares it."""
    place, _, name = text.partition("=")
    entry: dict[str, Any] = {"port": int(place)} if place.isdecimal() else {"socket": place}
    if name:
        entry["name"] = name
    return entry


def ports(market: Market, out: Out, args: argparse.Namespace) -> None:
    """The ports of a lease and their addresses."""
    found = market.ports(args.lease)
    if out.as_json:
        out.say(found)
        return
    columns = [
        Column("port", "at"),
        Column("name", "name"),
        Column("in the browser", "url"),
        Column("for programs", "path"),
    ]
    rows = [{**row, "at": str(row["port"] or row["socket"])} for row in found["ports"]]
    out.rows(rows, columns, empty="What runs serves no ports: market run --serve 8888=notebook …")
    if login := found["ssh"]:
        line()
        line(f"ssh -p {login['port']} {login['user']}@{login['host']}")


def link(market: Market, out: Out, args: argparse.Namespace) -> None:
    """An address that opens a port for everybody who has it."""
    row = market.link(args.lease, args.port, hours=args.hours)
    out.say(row, row["url"])


def forward(market: Market, out: Out, args: argparse.Namespace) -> None:
    """Listen on this machine and pass every connection on to a port of the lease, until interrupted."""
    market.port(args.lease, args.port)  # tells now what would be refused later
    wanted = args.local if args.local is not None else int(args.port) if args.port.isdecimal() else 0
    with listener(wanted) as listening:
        at = listening.getsockname()[1]
        out.say(
            {"local": at},
            f"http://127.0.0.1:{at}/ is port {args.port} of lease {args.lease}. Ctrl-C ends it.",
        )
        sys.stdout.flush()
        while True:
            connection, _ = listening.accept()
            worker = (market, args.lease, args.port, connection)
            threading.Thread(target=_pass_on, args=worker, daemon=True).start()


def listener(port: int) -> socket.socket:
    """A socket on this machine's loopback; another port where the wanted one is taken or not allowed."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))


def _pass_on(market: Market, lease: int, port: str, connection: socket.socket) -> None:
    with connection:
        try:
            with pipe(market, lease, port) as far:
                join(connection, far)
        except (MarketError, OSError) as error:
            line(f"market: {error}", is_aside=True)


def pipe(market: Market, lease: int, port: str) -> socket.socket:
    """A raw connection to a port of a lease. Raises: MarketError, OSError."""
    parts = urlsplit(market.url)
    host = parts.hostname or ""
    far = socket.create_connection(
        (host, parts.port or (443 if parts.scheme == "https" else 80)), CONNECT_SECONDS
    )
    try:
        if parts.scheme == "https":
            far = ssl.create_default_context().wrap_socket(far, server_hostname=host)
        head = (
            f"GET {parts.path}/leases/{lease}/ports/{port}/pipe HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Authorization: Bearer {market.token}\r\nConnection: Upgrade\r\nUpgrade: {PIPE_PROTOCOL}\r\n\r\n"
        )
        far.sendall(head.encode())
        answer = b""
        while b"\r\n\r\n" not in answer and len(answer) < HEAD_BYTES_MAX:
            # Byte by byte at the end: what follows the head belongs to the port.
            piece = far.recv(1)
            if not piece:
                break
            answer += piece
        status = answer.split(b"\r\n", 1)[0].decode("latin-1")
        require_upgraded(status)
        far.settimeout(None)
    except BaseException:
        far.close()
        raise
    return far


def require_upgraded(status: str) -> None:
    """Raises: MarketError unless the hub's status line says that bytes pass from here on."""
    if " 101 " not in f"{status} ":
        code = int(status.split(" ")[1]) if status.startswith("HTTP/1.1 ") else 0
        raise MarketError(code, "", f"the port cannot be reached: {status or 'no answer'}", {})


def join(first: socket.socket, second: socket.socket) -> None:
    """Bytes both ways until both directions are over."""

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE_BYTES):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    back = threading.Thread(target=copy, args=(second, first), daemon=True)
    back.start()
    copy(first, second)
    back.join()


def shell(market: Market, out: Out, args: argparse.Namespace) -> None:
    """Run OpenSSH with the address of the lease and the host key that the hub gave."""
    given, command = options_and_command(args.words)
    login = _login(market, args.lease)
    with known_hosts(login) as options:
        # Behind `--`, neither the destination nor the command is taken for an option.
        place = ["-p", str(login.port), *options, *given, "--", login.destination]
        words = [_program("ssh"), *place, *command]
        done = subprocess.run(words, check=False)  # noqa: S603
    if done.returncode == SSH_FAILED:
        _advise_keys(market)
    sys.exit(done.returncode)


def options_and_command(words: list[str]) -> tuple[list[str], list[str]]:
    """The words before `--`, which are options of ssh, and those after it; without `--`, all are the command.

    Raises: ValueError if options of ssh are not followed by `--`.
    """
    if "--" in words:
        place = words.index("--")
        if place == 0 or words[0].startswith("-"):
            return words[:place], words[place + 1 :]
    if words and words[0].startswith("-"):
        raise ValueError("options of ssh end with --, as: market ssh 17 -t -- htop")
    return [], words


def copy(market: Market, out: Out, args: argparse.Namespace) -> None:
    """`scp` between this machine and leases: a lease's path is written as `17:path`."""
    paths = [*args.sources, args.target]
    leases = {int(path.partition(":")[0]) for path in paths if is_remote(path)}
    if len(leases) != 1:
        raise ValueError("one of the paths is a lease's, as 17:results/; copy between leases by way of here")
    login = _login(market, leases.pop())
    there = [f"{login.copy_destination}:{p.partition(':')[2]}" if is_remote(p) else p for p in paths]
    with known_hosts(login) as options:
        recursive = ["-r"] if args.recursive else []
        words = [_program("scp"), "-P", str(login.port), *options, *recursive, "--", *there]
        done = subprocess.run(words, check=False)  # noqa: S603
    if done.returncode:
        _advise_keys(market)
        sys.exit(done.returncode)


def _advise_keys(market: Market) -> None:
    """OpenSSH has said what went wrong; say what to do if it was the key."""
    line(
        "market: if it says “Permission denied (publickey)”, your account does not have this machine's key:",
        is_aside=True,
    )
    line(f"add a public key such as ~/.ssh/id_ed25519.pub at {market.hub}/settings/ssh-keys", is_aside=True)


def is_remote(path: str) -> bool:
    return path.partition(":")[0].isdecimal() and ":" in path


def _login(market: Market, lease: int) -> SshLogin:
    """The data for a login to a lease. Raises: MarketError, OSError, ValueError."""
    said = market.ports(lease)["ssh"]
    if said is None:
        raise ValueError("this hub has no ssh")
    return read_login(said)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ValueError(f"{name} is not installed on this machine (OpenSSH has it)")
    return found


@contextlib.contextmanager
def known_hosts(login: SshLogin) -> Iterator[list[str]]:
    """Options by which ssh trusts only the host keys that the hub gave at its own address."""
    if not login.host_keys:
        yield []
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "known_hosts"
        path.write_text("".join(f"[{login.host}]:{login.port} {key}\n" for key in login.host_keys))
        yield ["-o", f"UserKnownHostsFile={path}", "-o", "StrictHostKeyChecking=yes"]
