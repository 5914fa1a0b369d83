"""The market's record: the command log, the orders it is about, and what came of them.

Times that trade are whole minutes; quantities are GPUs and GPU-minutes; money is micro-credits.
"""

from compute_market.matching.models.log import Command, Cursor, Intake, NoticeCursor, Outcome, Snapshot
from compute_market.matching.models.market import Level, Listing, Outbox, Trade
from compute_market.matching.models.orders import (
    SELF_TRADE_CHOICES,
    CancelAfter,
    Order,
    OrderQuerySet,
    RefusedOrder,
)

__all__ = [
    "SELF_TRADE_CHOICES",
    "CancelAfter",
    "Command",
    "Cursor",
    "Intake",
    "Level",
    "Listing",
    "NoticeCursor",
    "Order",
    "OrderQuerySet",
    "Outbox",
    "Outcome",
    "RefusedOrder",
    "Snapshot",
    "Trade",
]
