"""Is this process being drained? Then the node is not ready, and what it serves is finished.

The web server sets it in each of its processes (`bazaar.server.http.processes`). Needs no Django.
"""

from __future__ import annotations

import threading

_drains = threading.Event()


def switch(*, is_on: bool) -> None:
    """Begin to drain this process, or serve as usual again."""
    _drains.set() if is_on else _drains.clear()


def is_on() -> bool:
    return _drains.is_set()
