"""Paths of the sockets by which the parts of one machine connect."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from bazaar.server import redis
from foundation.environment import text


def tunnel_socket(data: Path) -> Path:
    """The path of the socket on which the tunnels receive connections from the web server, in a folder of
    this user alone.

    The folder is BAZAAR_RUN_DIR, else `run` of the data folder. If its path is too long for a socket, a
    private folder elsewhere is used. Raises: PermissionError as `redis.private_folder`.
    """
    path = Path(text("BAZAAR_RUN_DIR") or data / "run") / "tunnels.sock"
    if len(os.fsencode(path)) <= redis.SOCKET_PATH_BYTES_MAX:
        return path
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    return redis.private_folder() / f"{name}-tunnels.sock"
