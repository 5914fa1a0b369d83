"""The share of the product that the tests run, compared with its floors: the end of `script/test --cover`.

A share counts lines and branches alike, as `coverage report` does. FLOORS has a floor in percent by path; a
file counts for each path that it lies under.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {
    "": 92,
    "compute_market/ledger/": 98,
    "compute_market/leases/": 98,
    "compute_market/matching/engine/": 98,
    "hub/accounts/policies.py": 98,
}


class Share(NamedTuple):
    """Lines and branches of some files: those that ran, of how many."""

    path: str
    ran: int
    every: int

    @property
    def percent(self) -> float:
        return 100 * self.ran / max(self.every, 1)


def shares(files: dict[str, dict[str, dict[str, int]]]) -> list[Share]:
    """The share of each path of FLOORS, of the files of a report that coverage.py writes as JSON.

    Raises: LookupError if a path has no file.
    """
    found = []
    for path in FLOORS:
        counts = [file["summary"] for name, file in files.items() if name.startswith(path)]
        if not counts:
            raise LookupError(f"no file was measured under {path!r}")
        ran = sum(count["covered_lines"] + count.get("covered_branches", 0) for count in counts)
        every = sum(count["num_statements"] + count.get("num_branches", 0) for count in counts)
        found.append(Share(path, ran, every))
    return found


def floors_of(tests: Sequence[str]) -> list[str]:
    """The paths of FLOORS that tests in these folders are judged by; all of them if no folder is named.

    Tests mirror the product: `tests/compute_market/ledger` has the tests of `compute_market/ledger/`.
    """
    rooms = [f"{path.strip('/')}/".removeprefix("tests/") for path in tests] or [""]
    return [path for path in FLOORS if any(path.startswith(room) for room in rooms)]


def main(report: Path, tests: Sequence[str] = ()) -> int:
    """Print the share of each floor that counts; 1 if one is below its floor, else 0."""
    judged = floors_of(tests)
    files = json.loads(report.read_text())["files"]
    failed = 0
    for share in shares(files):
        if share.path not in judged:
            continue
        is_low = share.percent < FLOORS[share.path]
        failed |= is_low
        verdict = "too little" if is_low else "enough"
        name = share.path or "the product"
        sys.stdout.write(
            f"{share.percent:6.2f} % of {name}: {verdict}, the floor is {FLOORS[share.path]} %\n"
        )
    if not judged:
        sys.stdout.write("These tests have no floor.\n")
    return failed


if __name__ == "__main__":
    output = ROOT / ".coverage.json"
    subprocess.run([sys.executable, "-m", "coverage", "json", "--quiet", "-o", output], cwd=ROOT, check=True)
    sys.exit(main(output, [word for word in sys.argv[1:] if (ROOT / word).is_dir()]))
