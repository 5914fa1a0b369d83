"""The machines that serve this hub, and a check that they may share the folder of the repositories.

Branches and tags are rows. But git itself reads refs from files, and on a network file system each machine
sees another machine's change late: a fetch or push then works on old refs. So each node needs front folders
of its own (ADR 0209).
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from pathlib import Path
from typing import cast

import redis
from django.conf import settings

from foundation.redis_connection import connection, key

# A node that serves anything, even a health check, is known for this long.
KNOWN_SECONDS = 15 * 60
ANNOUNCE_SECONDS = 60
LOCAL_FUSE = frozenset({"fuse.fuse-overlayfs"})
NETWORK_TYPES = frozenset(
    {
        *(
            "9p",
            "afs",
            "beegfs",
            "ceph",
            "cifs",
            "gfs2",
            "glusterfs",
            "gpfs",
            "lustre",
            "ncpfs",
            "nfs",
            "nfs4",
        ),
        *("ocfs2", "orangefs", "smb3", "smbfs", "virtiofs", "wekafs"),
    }
)
MOUNTS = Path("/proc/self/mountinfo")

_announced_at = 0.0


def announce(*, now: float | None = None) -> None:
    """Say at most once a minute that this machine serves the hub. A Redis that is away hears nothing."""
    global _announced_at  # noqa: PLW0603 - one number a process
    now = time.monotonic() if now is None else now
    if _announced_at and now - _announced_at < ANNOUNCE_SECONDS:
        return
    _announced_at = now
    with contextlib.suppress(redis.RedisError):
        connection().zadd(key("nodes"), {socket.gethostname(): time.time()})


def leave() -> None:
    """Say that this machine serves no longer, so that the one that takes its place is not a second one."""
    with contextlib.suppress(redis.RedisError):
        connection().zrem(key("nodes"), socket.gethostname())


def serving() -> list[str]:
    """Host names of the nodes that served something within the last quarter of an hour."""
    with contextlib.suppress(redis.RedisError):
        connection().zremrangebyscore(key("nodes"), "-inf", time.time() - KNOWN_SECONDS)
        names = cast(list[bytes], connection().zrange(key("nodes"), 0, -1))
        return sorted(name.decode(errors="replace") for name in names)
    return []


def file_system_of(folder: Path, *, mounts: Path = MOUNTS) -> str:
    """The type of the file system that holds the folder, such as `ext4`; empty if it is not known.

    Reads Linux' mountinfo: proc(5), "/proc/pid/mountinfo".
    """
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return ""
    path, found = folder.resolve(), ("", "")
    for line in lines:
        fields, _, rest = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields.split(" ")[4])
        # A later line is mounted over an earlier one at the same point.
        if path.is_relative_to(point) and len(point) >= len(found[0]):
            found = (point, rest.split(" ")[0])
    return found[1]


def is_on_network(kind: str) -> bool:
    """True if several machines may share a file system of this type."""
    return kind in NETWORK_TYPES or (kind.startswith("fuse.") and kind not in LOCAL_FUSE)


def problem_of_share(folder: Path) -> str:
    """The reason that several nodes must not serve repositories from this folder; empty if there is none."""
    kind = file_system_of(folder)
    front = settings.GIT_FRONT_DIR
    if not is_on_network(kind) or (front is not None and not is_on_network(file_system_of(front))):
        return ""
    nodes = serving()
    if len(nodes) < 2:
        return ""
    return (
        f"{folder} is on a network file system ({kind}) and {len(nodes)} web nodes serve it"
        f" ({', '.join(nodes)}). A fetch or push can read old branches there."
        " Give each node a folder of its own on a local disk (BAZAAR_GIT_FRONT_DIR), or run one web node."
    )
