"""`python -m bazaar.server.web`: the web processes, with their limits from the environment.

The application is loaded once; the processes are forked from the one that loaded it and share its memory.
"""

from __future__ import annotations

import os
import resource
import socket
import sys
from pathlib import Path

from bazaar.server import running
from bazaar.server.http import listeners
from bazaar.server.http.answering import WsgiApplication
from bazaar.server.http.limits import Limits
from bazaar.server.http.processes import Hooks, Processes, Seat
from bazaar.server.http.server import Server
from foundation import data_folder_lock
from foundation import environment as env
from foundation.garbage_collection import freeze_loaded

BACKLOG = 2048
# Descriptors that a process needs besides connections: files, databases, pipes to git.
OTHER_FILES = 512


@env.told_in_a_sentence
def main() -> int:
    """Serve until a signal says to stop."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.dev")
    count = env.integer("BAZAAR_WEB_WORKERS", default=2)
    limits = limits_of(count)
    bind = env.text("BAZAAR_BIND", default="127.0.0.1:8000")
    run(listen(bind), count, limits, bind=bind)
    return 0


def run(listener: socket.socket, count: int, limits: Limits, *, bind: str = "") -> None:
    """Load the application that the settings name, and serve it on the socket with so many processes.

    A socket that was inherited stays open when they stop: connections wait in it for those that come next.
    """
    from django.conf import settings
    from django.utils.module_loading import import_string

    from bazaar import draining, nodes
    from bazaar.server.guarding import SchemaGuard

    data_folder_lock.share(settings.DATA_DIR)
    application: WsgiApplication = SchemaGuard(import_string(settings.WSGI_APPLICATION))
    _preload()

    def make_server(seat: Seat) -> Server:
        return Server(listener, application, limits, peers=seat, at_thread_end=_close_connections)

    is_ours = not bind.startswith(("fd://", "unix:"))
    with running.noted(running.folder(settings.DATA_DIR), bind) as note:
        hooks = Hooks(
            begin=_close_connections,
            finish=_send_downloads,
            ended=_forget_gauges,
            drain=lambda is_on: draining.switch(is_on=is_on),
            tell=note,
            refuse=lambda: listeners.refuse(listener) if is_ours else None,
        )
        graceful, drain = limits.graceful_seconds, env.integer("BAZAAR_DRAIN_SECONDS", default=0)
        Processes(count, make_server, hooks, graceful_seconds=graceful, drain_seconds=drain).run()
    # A container that replaces this one has another name.
    nodes.leave()


def limits_of(count: int) -> Limits:
    """The limits of each of `count` processes. Raises: VariableInvalid."""
    usual = Limits()
    each_address = env.integer("BAZAAR_WEB_CONNECTIONS_PER_ADDRESS", default=512)
    return Limits(
        threads=max(1, env.integer("BAZAAR_WEB_THREADS", default=usual.threads)),
        transfers=max(1, env.integer("BAZAAR_WEB_TRANSFERS", default=usual.transfers)),
        connections=_room_for(env.integer("BAZAAR_WEB_CONNECTIONS", default=usual.connections)),
        connections_per_address=-(-each_address // count),
        head_seconds=env.integer("BAZAAR_WEB_HEAD_SECONDS", default=int(usual.head_seconds)),
        idle_seconds=env.integer("BAZAAR_WEB_IDLE_SECONDS", default=int(usual.idle_seconds)),
        trusted_proxies=frozenset(env.words("BAZAAR_TRUSTED_PROXIES", default="127.0.0.1,::1")),
        head_dispatch_prefixes=("/leases/",),
        graceful_seconds=env.integer("BAZAAR_GRACEFUL_SECONDS", default=int(usual.graceful_seconds)),
    )


def _room_for(connections: int) -> int:
    """As many connections as the system lets a process have; the limit is raised as far as may be."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(64, min(connections, max(soft, allowed) - OTHER_FILES))


def listen(bind: str) -> socket.socket:
    """A listening socket for `HOST:PORT`, `[IPV6]:PORT`, `unix:PATH` or `fd://NUMBER` (inherited).

    Raises: OSError, ValueError, VariableInvalid.
    """
    if bind.startswith("fd://"):
        return socket.socket(fileno=int(bind.removeprefix("fd://")))
    if bind.startswith("unix:"):
        path = Path(bind.removeprefix("unix:"))
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(os.fspath(path))
        listener.listen(BACKLOG)
        return listener
    host, _, port = bind.rpartition(":")
    if not (port.isascii() and port.isdigit()):
        raise env.VariableInvalid(f"BAZAAR_BIND must be HOST:PORT, [IPV6]:PORT or unix:PATH, not {bind!r}.")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, int(port)), family=family, backlog=BACKLOG)


def _preload() -> None:
    """Load what the first request would, and keep garbage collection off the memory that is shared."""
    from django.urls import get_resolver

    assert get_resolver().url_patterns
    freeze_loaded()


def _close_connections() -> None:
    """Two processes, or a thread that has ended, must not keep a database connection."""
    from django.db import connections

    connections.close_all()


def _send_downloads() -> None:
    """Tell Redis what the last requests fetched."""
    from hub.downloads import buffer

    buffer.send_last()


def _forget_gauges(process: int) -> None:
    """Take the ended process's gauges out of the sums; its counts stay."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(process)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    sys.exit(main())
