"""Where the parts of one machine find each other's sockets."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from bazaar.server import redis
from foundation.environment import text


def tunnel_socket(data: Path) -> Path:
    """Where the tunnels take connections over from the web server: in a folder of this user alone.

    That is BAZAAR_RUN_DIR, else `run` of the data folder; where it lies too deep for a socket's path, a
    private folder elsewhere. Raises: PermissionError as `redis.private_folder`.
    """
    path = Path(text("BAZAAR_RUN_DIR") or data / "run") / "tunnels.sock"
    if len(os.fsencode(path)) <= redis.SOCKET_PATH_BYTES_MAX:
        return path
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    return redis.private_folder() / f"{name}-tunnels.sock"
