"""What an agent that was killed left running: notes of it, and how the next agent ends it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from pathlib import Path

from compute_market.runners.base import Running
from compute_market.runners.container import RunningContainer, tell
from compute_market.runners.loops import say


def remember(folder: Path, running: Running) -> None:
    """Note a process, so that an agent that starts again can end what the one before it left."""
    process = getattr(running, "process", None)
    if process is not None:
        folder.mkdir(parents=True, exist_ok=True)
        note = {"pid": process.pid, "started": process_start(process.pid)}
        if isinstance(running, RunningContainer):
            note |= {"program": running.program, "name": running.name}
        (folder / "process.json").write_text(json.dumps(note))


def end_leftovers(folder: Path) -> None:
    """End what an agent that was killed left running, and clear its folders."""
    for note in sorted((folder / "work").glob("*/process.json")):
        with contextlib.suppress(OSError, ValueError, KeyError):
            left = json.loads(note.read_text())
            # A number is used again sooner or later; the time of its start tells whose it is.
            if left["started"] is not None and process_start(left["pid"]) == left["started"]:
                os.killpg(left["pid"], signal.SIGKILL)
                say(f"ended process {left['pid']}, left by an agent before")
            # A container outlives the program that started it.
            if "program" in left and tell(left["program"], "rm", "--force", left["name"]):
                say(f"removed container {left['name']}, left by an agent before")
        shutil.rmtree(note.parent, ignore_errors=True)


def process_start(pid: int) -> str | None:
    """When a process began, in the kernel's ticks; None where that cannot be told."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None
