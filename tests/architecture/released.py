"""The schema of the last release: its migrations, and the commit from which it was made.

`python -m tests.architecture.released` records the migrations of this tree, as a step of a release
(docs/how-to/release.md).
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import msgspec

FILE = Path(__file__).with_name("released.json")
ROOT = FILE.parents[2]
HOUSES = ("hub", "compute_market")


class Released(msgspec.Struct):
    """`migrations`: app → names. `commit` is used where the tag `vVERSION` is not there."""

    version: str
    commit: str
    migrations: dict[str, list[str]]


def last() -> Released:
    return msgspec.json.decode(FILE.read_bytes(), type=Released)


def of_this_tree() -> Released:
    import bazaar

    migrations: dict[str, list[str]] = {}
    for house in HOUSES:
        for path in sorted((ROOT / house).glob("*/migrations/[0-9]*.py")):
            migrations.setdefault(path.parts[-3], []).append(path.stem)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True)
    return Released(bazaar.__version__, head.stdout.strip(), dict(sorted(migrations.items())))


if __name__ == "__main__":
    FILE.write_text(json.dumps(msgspec.to_builtins(of_this_tree()), indent=1) + "\n")
