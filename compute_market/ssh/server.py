"""The ssh server: the hub's database decides about each login, the lease's agent runs the commands.

The user's name is the lease's number and the key an account's. Nothing is executed here: each session is a
stream to the agent through the tunnels, and so is each forwarded port. A client whose key, account or lease
has ended meanwhile is disconnected (`RECHECK_SECONDS`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import asyncssh
import redis
from django.db import DatabaseError, close_old_connections

from compute_market.leases import access, processes, selectors, serving
from compute_market.leases.models import Work
from compute_market.ssh import relay
from compute_market.tunnels import presence
from foundation.clock import database_now
from foundation.errors import Refusal
from hub.interface import ANONYMOUS, Principal, note_ssh_key_used, principal_for_ssh_key

# The host's own names, as people write them for "where I am logged in".
LOCAL = frozenset({"localhost", "127.0.0.1", "::1", ""})
LOGIN_SECONDS = 30
KEEPALIVE_SECONDS = 30
# A removed key, a closed account, or a lease that changed hands is noticed after it.
RECHECK_SECONDS = 20.0
T = TypeVar("T")
# Present counts, and the number of refused keys since the start.
COUNTS: dict[str, float] = {"connections": 0, "sessions": 0, "forwards": 0, "refused": 0}
# Connections that are logged in.
LOGINS: set[Login] = set()
log = logging.getLogger(__name__)


class Login(asyncssh.SSHServer):
    """One connection: whose key it is, and which lease it is about."""

    def __init__(self) -> None:
        self.lease = 0
        self.fingerprint = ""
        self.connection: asyncssh.SSHServerConnection

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        COUNTS["connections"] += 1
        self.connection = conn

    def connection_lost(self, exc: Exception | None) -> None:
        COUNTS["connections"] -= 1
        LOGINS.discard(self)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """True if the key's owner may act on the lease. The signature is checked after that.

        An unknown lease and another's get the same answer, after the same questions to the database.
        """
        lease = username.removeprefix("lease-")
        if not (lease.isascii() and lease.isdecimal() and len(lease) < 19):
            return False
        self.lease, self.fingerprint = int(lease), key.get_fingerprint()
        is_allowed = await in_thread(partial(allowed, self.fingerprint, self.lease))
        COUNTS["refused"] += not is_allowed
        return is_allowed

    def auth_completed(self) -> None:
        LOGINS.add(self)
        self.connection.create_task(in_thread(partial(note_use, self.fingerprint)))

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        return Channel(partial(session, self))

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Callable[[asyncssh.SSHReader[bytes], asyncssh.SSHWriter[bytes]], Awaitable[None]]:
        """`ssh -L`: to ports that the work declared, and nowhere else."""
        if dest_host not in LOCAL:
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "only ports of the lease itself are reached"
            )
        return partial(self.forward, str(dest_port))

    async def forward(
        self, port: str, reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]
    ) -> None:
        COUNTS["forwards"] += 1
        try:
            work = await self.work()
            if serving.find(work.serves, port) is None:
                log.info("ssh_forward_refused lease=%s port=%s reason=not_declared", self.lease, port)
                return
            await relay.pipe(relay.stream(self.lease, port), reader, writer)
        except (Refusal, OSError, relay.TunnelsAway) as error:
            log.info("ssh_forward_failed lease=%s port=%s error=%s", self.lease, port, error)
        finally:
            COUNTS["forwards"] -= 1
            writer.close()

    async def work(self) -> Work:
        """The work that runs in the lease now. Raises: Refusal, also if the permission has ended since the
        login.
        """
        return await in_thread(partial(running, self.fingerprint, self.lease))


class Channel(asyncssh.SSHServerProcess[bytes]):
    """A session channel that gives `sftp` to its factory, too: the library would serve the hub's files."""

    def __init__(self, factory: Callable[[asyncssh.SSHServerProcess[bytes]], Awaitable[None]]) -> None:
        super().__init__(factory, None, 3, False)

    def subsystem_requested(self, subsystem: str) -> bool:
        return subsystem == "sftp"

    def session_started(self) -> None:
        if self._chan.get_subsystem() != "sftp":
            super().session_started()
            return
        streams = (asyncssh.SSHReader(self, self._chan), asyncssh.SSHWriter(self, self._chan))
        errors = asyncssh.SSHWriter(self, self._chan, asyncssh.EXTENDED_DATA_STDERR)
        started = self._start_process(*streams, errors)
        assert self._conn is not None
        assert started is not None
        self._conn.create_task(started)


def allowed(fingerprint: str, lease: int) -> bool:
    """True if the account of a key may act on what runs in the lease."""
    try:
        running(fingerprint, lease)
    except Refusal:
        return False
    return True


def running(fingerprint: str, lease: int) -> Work:
    """The work in a lease that the account of a key holds. Key, account and roles are read anew.

    Raises: Unauthenticated, LeaseNotFound, LeaseNotRunning, WorkNotFound.
    """
    return access.running_work(actor=owner_of(fingerprint), lease_id=lease, now=database_now())[0]


def holds(fingerprint: str, lease: int) -> bool:
    """True if the account of a key still holds a lease, whatever runs in it."""
    try:
        selectors.get_held_lease(actor=owner_of(fingerprint), lease_id=lease)
    except Refusal:
        return False
    return True


def owner_of(fingerprint: str) -> Principal:
    """The active account of a key; if there is none, ANONYMOUS, which has no permissions."""
    return principal_for_ssh_key(fingerprint) or ANONYMOUS


def note_use(fingerprint: str) -> None:
    """The key's owner has proved to have it. A database that is busy must not end the login."""
    with contextlib.suppress(DatabaseError):
        note_ssh_key_used(fingerprint, now=database_now())


async def in_thread(call: Callable[[], T]) -> T:
    """Ask the database without holding up the other connections."""

    def run() -> T:
        close_old_connections()
        try:
            return call()
        finally:
            close_old_connections()

    return await asyncio.to_thread(run)


async def session(login: Login, process: asyncssh.SSHServerProcess[bytes]) -> None:
    """A shell, a command, or files."""
    COUNTS["sessions"] += 1
    try:
        await login.work()
        if process.subsystem == "sftp":
            await relay.pipe(relay.stream(login.lease, relay.FILES), process.stdin, process.stdout)
            process.exit(0)
        else:
            await relay.command(relay.stream(login.lease, relay.SESSION), process)
    except (Refusal, OSError, relay.TunnelsAway) as error:
        process.stderr.write(f"{error}\r\n".encode())
        process.exit(255)
    except asyncssh.ConnectionLost:
        pass
    finally:
        COUNTS["sessions"] -= 1


async def tell_of_itself() -> None:
    """Tell this process's numbers, for operators, until cancelled."""
    try:
        while True:
            with contextlib.suppress(redis.RedisError):
                await asyncio.to_thread(processes.tell, "ssh", dict(COUNTS))
            await asyncio.sleep(presence.TELL_SECONDS)
    finally:
        with contextlib.suppress(redis.RedisError):
            processes.leave("ssh")


async def end_what_lost_its_rights() -> None:
    """Disconnect users who may no longer act on a lease, periodically, until cancelled."""
    while True:
        await asyncio.sleep(RECHECK_SECONDS)
        with contextlib.suppress(DatabaseError):
            await recheck()


async def recheck() -> None:
    """Look once at the rights of all who are logged in. Raises: DatabaseError."""
    asked = {(login.fingerprint, login.lease) for login in LOGINS}
    lost = await in_thread(lambda: {one for one in asked if not holds(*one)})
    for login in [login for login in LOGINS if (login.fingerprint, login.lease) in lost]:
        log.info("ssh_login_ended lease=%s reason=permission_lost", login.lease)
        login.connection.disconnect(asyncssh.DISC_BY_APPLICATION, "You may not act on this lease any more.")


def host_key(data: Path) -> asyncssh.SSHKey:
    """The host's key, made once for a data folder; its public half lies beside it for those who check it."""
    path = data / "ssh" / "host_ed25519"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        key = asyncssh.generate_private_key("ssh-ed25519", comment="model-bazaar")
        partial_path = path.with_suffix(".new")
        partial_path.touch(mode=0o600)
        key.write_private_key(partial_path)
        key.write_public_key(path.with_suffix(".pub"))
        partial_path.replace(path)
    return asyncssh.read_private_key(path)


def listening(bind: str) -> socket.socket:
    """A listening socket: `fd://7` for one that was inherited, or `host:port`."""
    if bind.startswith("fd://"):
        return socket.socket(fileno=int(bind.removeprefix("fd://")))
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, int(port)), family=family, backlog=256)


async def serve(bind: str, *, keys: list[asyncssh.SSHKey], over: asyncio.Event) -> None:
    """Accept connections until `over` is set."""
    asyncssh.set_log_level(logging.WARNING)

    options: dict[str, Any] = {
        "server_host_keys": keys,
        "encoding": None,
        "line_editor": False,
        "allow_scp": False,
        "agent_forwarding": False,
        "x11_forwarding": False,
        "login_timeout": LOGIN_SECONDS,
        "keepalive_interval": KEEPALIVE_SECONDS,
        "server_version": "ModelBazaar",
    }
    server = await asyncssh.listen(sock=listening(bind), server_factory=Login, **options)
    forever = [asyncio.ensure_future(call) for call in (tell_of_itself(), end_what_lost_its_rights())]
    await over.wait()
    for task in forever:
        task.cancel()
    await asyncio.gather(*forever, return_exceptions=True)
    server.close()
    await server.wait_closed()
