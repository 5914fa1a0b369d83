"""The faults of the parts that `script/server` runs: its supervisor writes them, readiness reads them.

Needs no Django. A file rather than Redis, which may be the part that is down.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def write(path: Path, problems: Mapping[str, str]) -> None:
    """Replace the file by these problems: part → what is wrong with it. Raises: OSError."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(dict(problems)))
    fresh.replace(path)


def problem(path: Path) -> str:
    """The faults, in one line; empty when every part runs."""
    try:
        problems: dict[str, str] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        return f"{path} cannot be read: {error}"
    return "; ".join(f"{name} {what}" for name, what in sorted(problems.items()))
