"""Keeping repositories small and quick: git's own housekeeping, when there is something to gain."""

from __future__ import annotations

import contextlib
import subprocess

from foundation import spans
from hub.gitstore.folders import folder_of
from hub.gitstore.serving import environment

LOOSE_OBJECTS = 500
PACKS = 20
SECONDS_MAX = 3600
OPTIONS = {
    "safe.directory": "*",
    "gc.auto": str(LOOSE_OBJECTS),
    "gc.autoPackLimit": str(PACKS),
    "gc.autoDetach": "false",
    # Objects of commits in the making are loose and unreachable; no commit takes two weeks.
    "gc.pruneExpire": "2.weeks.ago",
    # The hub writes this file itself, with its version (`hub.gitstore.ref_files`).
    "gc.packRefs": "false",
    "core.fsync": "all",
    "core.fsyncMethod": "fsync",
    "pack.threads": "1",
    "pack.windowMemory": "64m",
}


def tidy(storage: str) -> bool:
    """Pack loose objects and join packs if there are many; return whether git saw nothing wrong in time.

    Two at once do no harm: git keeps the second out. Readers go on meanwhile.
    """
    settings = [word for pair in OPTIONS.items() for word in ("-c", "=".join(pair))]
    with spans.span("git.process", command="git gc"), contextlib.suppress(subprocess.TimeoutExpired):
        # Without pipes: git's own children would hold them open when it is ended, and be waited for.
        done = subprocess.run(  # noqa: S603 - our own arguments
            ["git", *settings, "gc", "--auto", "--quiet"],  # noqa: S607 - git of the PATH
            cwd=folder_of(storage),
            env=environment(""),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS_MAX,
            check=False,
        )
        return done.returncode == 0
    return False
