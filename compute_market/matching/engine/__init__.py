"""The matching engine: pure, deterministic, whole numbers only. See `exchange` for where to begin."""

from compute_market.matching.engine.exchange import Engine, OutOfSequence
from compute_market.matching.engine.snapshots import dump, restore, state_hash

__all__ = ["Engine", "OutOfSequence", "dump", "restore", "state_hash"]
