"""The collector, paused for a block."""

from __future__ import annotations

import gc

import pytest

from foundation.garbage_collection import collector_paused


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
