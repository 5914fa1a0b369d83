"""Status of the processes without a web server of their own (tunnels, ssh), kept in Redis.

Each writes its numbers into one hash every few seconds, under its kind, machine and process number. Readers
leave out what is old: that process has ended, or its Redis is away.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping

PROCESSES = "market-processes"
TELL_SECONDS = 5.0
FRESH_SECONDS = 30.0

Facts = dict[str, float]


def own_field(kind: str) -> str:
    """The name under which this process is known."""
    return f"{kind}/{socket.gethostname()}/{os.getpid()}"


def told(facts: Mapping[str, float]) -> str:
    """The numbers with the time of their publication."""
    return json.dumps({"at": time.time(), **facts})


def read(rows: Mapping[bytes, bytes], *, now: float) -> dict[str, list[Facts]]:
    """Kind → the numbers of each process that told them lately."""
    found: dict[str, list[Facts]] = {}
    for field, text in rows.items():
        try:
            facts = {str(name): float(value) for name, value in json.loads(text).items()}
        except (ValueError, TypeError, AttributeError):
            continue
        if now - facts.pop("at", 0.0) <= FRESH_SECONDS:
            found.setdefault(field.decode().partition("/")[0], []).append(facts)
    return found
