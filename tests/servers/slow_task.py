"""A task that lasts until a test lets it end: `celery … worker -I tests.servers.slow_task`."""

from __future__ import annotations

from pathlib import Path

from celery import shared_task

from tests.waiting import until


@shared_task(acks_late=True)
def wait(*, folder: str, **_: object) -> None:
    """Make the file `begun`, wait for the file `go`, and make the file `ended`."""
    place = Path(folder)
    (place / "begun").touch()
    until((place / "go").exists)
    (place / "ended").touch()


def send(folder: str) -> None:
    wait.delay(folder=folder)
