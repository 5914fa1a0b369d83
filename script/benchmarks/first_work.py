"""A newcomer's first two minutes: from an empty data folder to the output of a work on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.servers.first_work import GOAL_SECONDS, FirstWork


def main() -> int:
    newcomer = FirstWork(program=(str(ROOT / "script" / "server"),))
    newcomer.run()
    sys.stdout.write(newcomer.told() + "\n")
    return 0 if newcomer.seconds <= GOAL_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
