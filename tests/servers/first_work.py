"""A newcomer's first minutes with the market: README's own lines, from an empty data folder to an output."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers.remote import ROOT
from tests.servers.started import MODULE, StartedServer
from tests.waiting import until

GOAL_SECONDS = 120.0
PATIENCE_SECONDS = 240.0
SECTION = "## Two minutes of the market"
# README writes the product of x86 machines, and says in a comment what it is elsewhere.
ARM = frozenset({"aarch64", "arm64"})


def commands() -> list[list[str]]:
    """README's `script/market` lines about this machine's processors, split as a shell would."""
    section = (ROOT / "README.md").read_text().partition(SECTION)[2].partition("\n## ")[0]
    lines = [line[2:] for line in section.splitlines() if line.startswith("$ script/market ")]
    first = next(number for number, line in enumerate(lines) if " buy cpu" in line)
    found = [shlex.split(line, comments=True)[1:] for line in lines[first:]]
    if platform.machine().lower() in ARM:
        found[0] = [word.replace("cpu1-x86", "cpu1-arm") for word in found[0]]
    return found


@dataclass
class FirstWork:
    """One newcomer. `steps`: what was done, and the seconds it took."""

    program: tuple[str, ...] = MODULE
    steps: list[tuple[str, float]] = field(default_factory=list)
    output: str = ""
    _env: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return sum(seconds for _, seconds in self.steps)

    def run(self) -> None:
        """Start a server, and do what README says. Everything is stopped and removed at the end."""
        # Works of root's agent run as another user, who must be able to come here.
        folder = Path(tempfile.mkdtemp(prefix="bazaar-first-", dir="/tmp"))
        folder.chmod(0o711)
        words = ("--port", "0", "--data", str(folder / "data"))
        server = StartedServer(*words, program=self.program, env={"TMPDIR": str(folder)})
        try:
            url = self._step("the server is started", lambda: server.url)
            self._env = {
                "PATH": os.environ["PATH"],
                "BAZAAR_PYTHON": sys.executable,
                "BAZAAR_URL": url,
                "BAZAAR_TOKEN": server.until(r"HF_TOKEN=(\S+)").group(1),
            }
            self._buy_and_run()
        finally:
            server.end(signal.SIGTERM)
            shutil.rmtree(folder)

    def _buy_and_run(self) -> None:
        buy, leases, run, logs = commands()
        self._step("a slot is bought", lambda: self._bought(buy))
        lease = str(self._step("its lease has begun", lambda: self._active(leases))["id"])
        run, logs = ([lease if word == "LEASE" else word for word in words] for words in (run, logs))
        self._step("a program is queued", lambda: self._market(*run))
        self.output = self._step("its output is read to the end", lambda: self._market(*logs))

    def _bought(self, buy: list[str]) -> None:
        """The agent needs a moment to be heard for the first time; until then nobody offers the product."""
        order = json.loads(self._market(*buy, "--json"))
        self._until(
            lambda: json.loads(self._market("orders", "--all", "--json")),
            lambda found: [row["state"] for row in found if row["id"] == order["id"]] == ["filled"],
        )

    def _active(self, leases: list[str]) -> dict[str, Any]:
        found: list[dict[str, Any]] = self._until(
            lambda: json.loads(self._market(*leases, "--json")),
            lambda found: [row["state"] for row in found] == ["active"],
        )
        return found[0]

    def _market(self, *words: str) -> str:
        done = subprocess.run(
            [str(ROOT / "script" / "market"), *words],
            env=self._env,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"market {shlex.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def _until(self, look: Callable[[], Any], condition: Callable[[Any], bool]) -> Any:
        found = until(
            lambda: [seen] if condition(seen := look()) else [],
            what=look,
            patience_s=PATIENCE_SECONDS,
            pause_s=0.2,
        )
        return found[0]

    def _step(self, name: str, do: Callable[[], Any]) -> Any:
        began = time.monotonic()
        result = do()
        self.steps.append((name, time.monotonic() - began))
        return result

    def told(self) -> str:
        """The steps as lines."""
        lines = [f"{seconds:7.1f} s  {name}" for name, seconds in self.steps]
        return "\n".join([*lines, f"{self.seconds:7.1f} s  in all (goal: {GOAL_SECONDS:.0f} s)"])
