"""The garbage collector: kept off what is loaded, and paused where it costs more than it finds."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def freeze_loaded() -> None:
    """Keep the collector off all objects that exist now: a process calls it when everything is loaded.

    A full collection walks what was made since then instead of the whole program (some 0.2 s), and forked
    processes go on sharing the memory of what was loaded before.
    """
    gc.collect()
    gc.freeze()


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the collector. A batch makes thousands of objects and no cycles; a collection walks them all."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
