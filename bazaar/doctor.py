"""Checks of the operator's machine and settings (`manage.py doctor`). Each says how to repair what it finds.

They are Django system checks with the tag `doctor`. A room adds its own the same way: a function registered
with `@register("doctor", deploy=True)` in a module that its AppConfig imports; `deploy` keeps checks that
touch disks and networks out of every `manage.py` start.
"""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, register
from django.core.checks import Warning as Caution
from django.db import DatabaseError, connection
from redis import RedisError

from bazaar import nodes, paths, readiness, schema
from bazaar.server import redis
from compute_market.leases import processes
from foundation.redis_connection import hasty_connection

TAG = "doctor"
GIT_VERSION_MIN = (2, 36)
DISK_FREE_MIN_BYTES = 5 * 1024**3
PRIVATE_NAMES = ("secret_key", "demo_sign_in.json", "redis", "git", "blobs", "tmp")
HINTS = {
    "database": "Is the server up that DATABASE_URL names? On SQLite: is the data folder writable?",
    "redis": f"{paths.command('server')} starts one; otherwise set REDIS_URL to a Redis that runs.",
    "git": "Keep the data folder (BAZAAR_DATA_DIR) on a local disk, writable for the user who runs this.",
    "objects": "Look at the BAZAAR_S3_ variables, the bucket and its keys; without S3, at the data folder.",
    "parts": f"The lines that {paths.command('server')} printed say why a part ends.",
    "scratch": "Make the data folder (BAZAAR_DATA_DIR) writable, with room for the largest upload.",
}


@register(TAG, deploy=True)
def dependencies_answer(**_: Any) -> list[CheckMessage]:
    return [
        Error(f"{name} does not answer: {problem}", hint=HINTS[name], id=f"bazaar.E1{number:02}")
        for number, (name, problem) in enumerate(readiness.report().items())
        if problem and name in HINTS
    ]


@register(TAG, deploy=True)
def schema_is_current(**_: Any) -> list[CheckMessage]:
    try:
        pending = schema.pending()
    except DatabaseError:
        return []  # the dependency check says it
    if not pending:
        return []
    hint = f"Run: {paths.command('manage')} migrate"
    return [Error(f"{len(pending)} migrations are not applied.", hint=hint, id="bazaar.E201")]


@register(TAG, deploy=True)
def git_is_new_enough(**_: Any) -> list[CheckMessage]:
    path = shutil.which("git")
    if path is None:
        return [Error("git is not installed.", hint="Install git; clone and push need it.", id="bazaar.E202")]
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    version = tuple(int(number) for number in re.findall(r"\d+", said)[:2])
    if version >= GIT_VERSION_MIN:
        return []
    wanted = ".".join(map(str, GIT_VERSION_MIN))
    return [Error(f"{said.strip()} is too old.", hint=f"Install git {wanted} or newer.", id="bazaar.E203")]


@register(TAG, deploy=True)
def redis_can_be_started(**_: Any) -> list[CheckMessage]:
    try:
        redis.find_binary()
    except FileNotFoundError as error:
        hint = f"Needed only by {paths.command('server')} without REDIS_URL."
        return [Info(str(error), hint=hint, id="bazaar.I204")]
    return []


@register(TAG, deploy=True)
def redis_is_no_cluster(**_: Any) -> list[CheckMessage]:
    try:
        is_cluster = bool(hasty_connection().info(section="cluster").get("cluster_enabled"))
    except RedisError:
        return []  # the dependency check says it
    if not is_cluster:
        return []
    hint = "Celery cannot use it. Set REDIS_URL to one Redis, or to a primary that Sentinels watch."
    return [Error("Redis runs as a cluster.", hint=hint, id="bazaar.E215")]


@register(TAG, deploy=True)
def disk_has_room(**_: Any) -> list[CheckMessage]:
    free = shutil.disk_usage(settings.DATA_DIR).free
    if free >= DISK_FREE_MIN_BYTES:
        return []
    return [
        Caution(
            f"{free / 1024**3:.1f} GiB are free in {settings.DATA_DIR}.",
            hint="Free some space or move BAZAAR_DATA_DIR; uploads are refused when the disk is full.",
            id="bazaar.W205",
        )
    ]


@register(TAG, deploy=True)
def data_is_private(**_: Any) -> list[CheckMessage]:
    """The folder itself, and then what would be open if somebody opened the folder.

    Settings close an open folder as they are loaded, also by this command; it is named all the same.
    """
    data = Path(settings.DATA_DIR)
    private = [data, *(data / name for name in PRIVATE_NAMES)]
    if connection.vendor == "sqlite":
        name = str(connection.settings_dict["NAME"])
        private += [Path(f"{name}{ending}") for ending in ("", "-wal", "-shm")]
    found: list[CheckMessage] = [
        Caution(
            f"{path} could be entered by other users (mode {mode:o}) until now; it is closed.",
            hint="Secrets in it may have been read: change them if other people use this machine.",
            id="bazaar.W206",
        )
        for path, mode in paths.WAS_OPEN.items()
    ]
    for path in dict.fromkeys(private):
        if not path.exists() or not (excess := stat.S_IMODE(path.stat().st_mode) & paths.umask()):
            continue
        words = "entered" if path.is_dir() else "read"
        hint = f"Run: chmod {stat.S_IMODE(path.stat().st_mode) & ~excess:o} {path}"
        found.append(Error(f"{path} can be {words} by other users.", hint=hint, id="bazaar.E206"))
    return found


@register(TAG, deploy=True)
def workers_keep_up(**_: Any) -> list[CheckMessage]:
    waiting = sum(readiness.queue_lengths().values())
    if waiting < 1000:
        return []
    hint = (
        f"Is a Celery worker running? {paths.command('server')} starts one; on several machines start more."
    )
    return [Caution(f"{waiting} tasks wait in the queues.", hint=hint, id="bazaar.W207")]


@register(TAG, deploy=True)
def leases_are_reached(**_: Any) -> list[CheckMessage]:
    """Tunnel and ssh processes must run wherever web servers run."""
    if not nodes.serving():
        return []
    running = processes.running()
    hint = f"{paths.command('server')} and docker compose start it; see docs/configuration.md."
    wanted = {
        "tunnels": "Nothing joins connections to leases (tunnels): their ports and ssh are not reached.",
        **({"ssh": "No ssh server for leases runs (BAZAAR_SSH_PORT)."} if settings.MARKET_SSH_PORT else {}),
    }
    numbered = enumerate(wanted.items(), 9)
    return [
        Caution(text, hint=hint, id=f"bazaar.W2{n:02}") for n, (kind, text) in numbered if not running[kind]
    ]


@register(TAG, deploy=True)
def public_address_is_known(**_: Any) -> list[CheckMessage]:
    if settings.PUBLIC_URL or not getattr(settings, "USE_X_FORWARDED_HOST", False):
        return []
    hint = "Set BAZAAR_PUBLIC_URL to the address people type, such as https://hub.example.org."
    text = "No public address is set; links follow the Host header that the front server sends."
    return [Caution(text, hint=hint, id="bazaar.W208")]
