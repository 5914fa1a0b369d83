"""`python -m bazaar.server.tunnels`: the process that joins clients' connections to agents'."""

from __future__ import annotations

import asyncio
import logging.config
import os
import signal
import socket
import stat
import sys
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from bazaar import logs, paths
from bazaar.server import redis, sockets
from compute_market.tunnels.grants import key_from
from compute_market.tunnels.server import Configuration, Tunnels, raise_file_limit
from foundation import data_folder_lock
from foundation import environment as env

BACKLOG = 4096


def require_own_folder(folder: Path) -> None:
    """Make the folder for this user alone. Raises PermissionError where it is somebody else's."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    folder.chmod(0o700)


def secret(data: Path) -> str:
    """The hub's signing key: BAZAAR_SECRET_KEY, else the data folder's (`bazaar.settings.derived`)."""
    return env.text("BAZAAR_SECRET_KEY") or (data / "secret_key").read_text().strip()


def listener(bind: str) -> socket.socket | None:
    """A listening socket: `fd://7` for one that was inherited, `host:port`, or none."""
    if bind.startswith("fd://"):
        return socket.socket(fileno=int(bind.removeprefix("fd://")))
    if not bind:
        return None
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, int(port)), family=family, backlog=BACKLOG)


def configuration() -> Configuration:
    """The settings of the tunnels, from the environment (docs/configuration.md)."""
    data = paths.data_folder()
    web = env.text("BAZAAR_WEB_URL") or f"http://127.0.0.1:{env.text('BAZAAR_PORT', default='8000')}"
    path = sockets.tunnel_socket(data)
    require_own_folder(path.parent)
    return Configuration(
        socket_path=path,
        key=key_from(secret(data)),
        redis_url=env.text("REDIS_URL") or f"unix://{redis.socket_path(data)}",
        redis_prefix=env.text("BAZAAR_REDIS_PREFIX", default="bazaar"),
        listener=listener(env.text("BAZAAR_TUNNELS_BIND")),
        leases_url=env.text("BAZAAR_LEASES_URL").rstrip("/"),
        hub_url=(env.text("BAZAAR_PUBLIC_URL") or web).rstrip("/"),
        web_url=web,
    )


@env.told_in_a_sentence
def main() -> int:
    data_folder_lock.share(paths.data_folder())
    level = env.choice("BAZAAR_LOG_LEVEL", logs.LEVELS, default="INFO")
    logging.config.dictConfig(
        logs.configuration(
            level=level,
            as_json=env.text("BAZAAR_LOG_FORMAT") == "json",
            error_dsn=env.text("BAZAAR_ERROR_DSN"),
        )
    )
    told = configuration()
    if urlsplit(told.web_url).scheme != "http":
        sys.stderr.write("BAZAAR_WEB_URL is the web server's own address, without TLS: http://web:8000\n")
        return 2

    async def run() -> None:
        over = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, over.set)
        await Tunnels(told).run(over)

    raise_file_limit()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
