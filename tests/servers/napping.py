"""Celery's application with a task that runs for as long as a test wants (`-A tests.servers.napping`)."""

from __future__ import annotations

from pathlib import Path

from bazaar.celery import app
from tests.waiting import until

__all__ = ["app", "run_until_told"]


@app.task(acks_late=True)
def run_until_told(folder: str, name: str) -> None:
    """Make the file NAME.begun, wait for NAME.end, make NAME.ended."""
    place = Path(folder)
    (place / f"{name}.begun").touch()
    until((place / f"{name}.end").exists, patience_s=240)
    (place / f"{name}.ended").touch()
