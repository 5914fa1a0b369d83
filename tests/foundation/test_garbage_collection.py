"""The collector, paused for a block, and kept off what is loaded."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from foundation.garbage_collection import collector_paused
from tests.architecture.sources import ROOT


@pytest.mark.parametrize("was_enabled", [True, False])
def test_is_afterwards_what_it_was(was_enabled: bool) -> None:
    before = gc.isenabled()
    (gc.enable if was_enabled else gc.disable)()
    try:
        with pytest.raises(ValueError, match="no"), collector_paused():
            assert not gc.isenabled()
            raise ValueError("no")
        assert gc.isenabled() is was_enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_loaded_objects_are_left_out_of_collections() -> None:
    """In a process of its own, because frozen objects stay so."""
    program = """
import gc
import subprocess
import sys
from foundation.garbage_collection import freeze_loaded

class Node: ...

kept, before = [Node() for _ in range(1000)], gc.get_freeze_count()
freeze_loaded()
assert before == 0 and gc.get_freeze_count() > len(kept)
assert not any(isinstance(each, Node) for each in gc.get_objects())
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
