"""Compiles the translations that people write (.po) to what Python reads (.mo).

Done when the environment or the image is made (`python bazaar/messages.py`, which loads no settings and so
touches no data folder), so that running needs no GNU gettext.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import polib

LOCALE = Path(__file__).resolve().parent / "locale"


def compile_all(folder: Path = LOCALE) -> list[Path]:
    """Bring every .mo below the folder up to date; gives those that were written."""
    written = []
    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        # Beside it first: a test run of several processes may read while another writes.
        partial = target.with_suffix(f".{os.getpid()}")
        polib.pofile(str(source)).save_as_mofile(str(partial))
        partial.replace(target)
        written.append(target)
    return written


if __name__ == "__main__":
    for path in compile_all():
        sys.stdout.write(f"{path}\n")
