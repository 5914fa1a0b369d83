"""Paths of this installation: its own files, and the data folder. Needs no Django."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from foundation.environment import VariableInvalid

ROOT = Path(__file__).resolve().parents[1]
"""The folder that holds the packages: a checkout, or an environment's `site-packages`."""

IS_CHECKOUT = (ROOT / "manage.py").exists() and (ROOT / "pyproject.toml").exists()
"""False where the package is installed by pip."""

WAS_OPEN: dict[Path, int] = {}
"""Folders that this process found open to other users and closed → the mode that they had."""


def keep_private() -> None:
    """Make what this process and its children create unreadable for other users of the machine.

    BAZAAR_UMASK gives another mask, as octal digits: `027` lets the group read, for a front server that sends
    files of the data folder itself. Raises VariableInvalid when it is no mask.
    """
    os.umask(umask())


def umask() -> int:
    """The mode bits that new files are created without. Raises VariableInvalid."""
    text = os.environ.get("BAZAAR_UMASK", "077")
    try:
        mask = int(text, 8)
    except ValueError:
        mask = -1
    if not 0 <= mask <= 0o777:
        raise VariableInvalid(f"BAZAAR_UMASK must be octal digits such as 077, not {text!r}.")
    return mask


def make_private(folder: Path) -> Path:
    """The folder, created if it was missing, and closed to those whom the umask excludes.

    A folder that belongs to somebody else keeps its mode. `doctor` reports it, and folders that were open.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(PermissionError):
        mode = stat.S_IMODE(folder.stat().st_mode)
        if mode & umask():
            folder.chmod(mode & ~umask())
            WAS_OPEN[folder] = mode
    return folder


def data_folder() -> Path:
    """BAZAAR_DATA_DIR; else `data` of a checkout; else, when installed, the user's own place for data.

    That is `model-bazaar` below XDG_DATA_HOME, so that commands mean the same data wherever they are run.
    """
    if given := os.environ.get("BAZAAR_DATA_DIR"):
        return Path(given).resolve()
    if IS_CHECKOUT:
        return ROOT / "data"
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return (Path(home) / "model-bazaar").resolve()


def command(word: str) -> str:
    """The command for `server` or `manage` here: `script/…` in a checkout, else `bazaar …`."""
    return f"script/{word}" if IS_CHECKOUT else f"bazaar {word}"
