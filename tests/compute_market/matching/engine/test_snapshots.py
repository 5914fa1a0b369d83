"""Snapshots of older versions are still read."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from compute_market.matching import engine
from compute_market.matching.engine import commands as c
from compute_market.matching.engine.snapshots import FORMAT


class TestUnknownFormat:
    @pytest.mark.parametrize("state", [{}, {"format": 0}, {"format": FORMAT + 1}, {"format": str(FORMAT)}])
    def test_is_refused(self, state: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="format"):
            engine.restore(json.dumps(state).encode())


class TestFormatOne:
    def test_has_no_single_node_and_no_deadline(self) -> None:
        matcher = engine.Engine()
        matcher.apply(
            [
                c.Configure(1, product=1, lot=1, tick=60, lowest=60, highest=6000, trading=0, minute=0),
                c.New(2, 2, 5, 1, 1, 600, 4, 0, 60, 0, 0, 0, 0, 0),
                c.New(3, 3, 6, 1, -1, 900, 4, 0, 60, 7, 0, 0, 0, 0),
            ]
        )
        state = json.loads(engine.dump(matcher))
        state["format"] = 1
        state["orders"] = [row[:12] + row[14:] for row in state["orders"]]
        assert engine.state_hash(engine.restore(json.dumps(state).encode())) == engine.state_hash(matcher)


class TestStateHash:
    def test_tells_states_apart(self) -> None:
        matcher = engine.Engine()
        before = engine.state_hash(matcher)
        matcher.apply(
            [c.Configure(1, product=1, lot=1, tick=60, lowest=60, highest=6000, trading=0, minute=0)]
        )
        assert len({before, engine.state_hash(matcher)}) == 2
        assert engine.state_hash(matcher) == sha256(engine.dump(matcher)).hexdigest()
