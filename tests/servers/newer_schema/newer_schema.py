"""A plugin of pytest for the tests of the last release: its live servers run on the schema of a newer tree.

`BAZAAR_NEWER_ROOT` is that tree. Used by `script/upgrade`; needs nothing of either tree when it is loaded.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def pytest_configure() -> None:
    from tests.servers.live import LiveBazaar

    former: Any = LiveBazaar.start_redis
    migrated: set[str] = set()

    def start_redis(self: LiveBazaar) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] = former(self)
        if str(self.data) not in migrated:
            migrated.add(str(self.data))
            migrate(self.env)
        return process

    LiveBazaar.start_redis = start_redis  # type: ignore[method-assign]


def migrate(env: dict[str, str]) -> None:
    """Bring the database to the schema of the newer tree, with that tree's code."""
    root = Path(os.environ["BAZAAR_NEWER_ROOT"])
    folders = [root / name for name in ("tests/servers/offline", ".", "packages/client", "packages/testing")]
    newer = {**env, "PYTHONPATH": os.pathsep.join(map(str, folders))}
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], cwd=root, env=newer, check=True)
