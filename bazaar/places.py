"""Where this bazaar's own files are, and where it keeps what must outlive a restart. Needs no Django."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The folder that holds the packages: a checkout, or an environment's `site-packages`."""


def data_folder() -> Path:
    """BAZAAR_DATA_DIR; else `data` of a checkout; else, when installed, the user's own place for data.

    That is `model-bazaar` below XDG_DATA_HOME, so that commands mean the same data wherever they are run.
    """
    if given := os.environ.get("BAZAAR_DATA_DIR"):
        return Path(given).resolve()
    if (ROOT / "manage.py").exists() and (ROOT / "pyproject.toml").exists():
        return ROOT / "data"
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return (Path(home) / "model-bazaar").resolve()
