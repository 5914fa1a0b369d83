"""Snapshots of older versions are still read."""

from __future__ import annotations

import json

from compute_market.matching import engine
from compute_market.matching.engine import commands as c


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
