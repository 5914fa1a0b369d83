"""What movements of money were for: the order and the lease behind each, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from django.db.models import Q
from django.utils.translation import gettext as _

from compute_market.leases import selectors as leases
from compute_market.ledger.selectors import StatementLine
from compute_market.matching.models import Trade


class Concerning(TypedDict):
    """The order and the lease that a movement was for, if any, and a sentence that names them."""

    order: int | None
    lease: int | None
    text: str


NOTHING = Concerning(order=None, lease=None, text="")


def concerning(lines: Sequence[StatementLine], *, account_id: int) -> dict[str, Concerning]:
    """Cause → what it was for, of the lines of one account's statement, in few queries however many."""
    numbers = {line.cause: _trade_of(line.cause) for line in lines}
    wanted = Q(pk__in=[])
    for shard in {number[0] for number in numbers.values() if number}:
        of_shard = [number[1] for number in numbers.values() if number and number[0] == shard]
        wanted |= Q(shard=shard, sequence__in=of_shard)
    trades = {(trade.shard_id, trade.sequence): trade for trade in Trade.objects.filter(wanted)}
    brought = leases.leases_of_trades([trade.pk for trade in trades.values()])
    found = {}
    for line in lines:
        number = numbers[line.cause]
        trade = trades.get(number) if number else None
        lease = brought.get(trade.pk) if trade else line.lease_id
        order = None
        if trade is not None:
            order = trade.buy_id if trade.buyer_id == account_id else trade.sell_id
        found[line.cause] = Concerning(order=order, lease=lease, text=_sentence(line.label, order, lease))
    return found


def _trade_of(cause: str) -> tuple[int, int] | None:
    """Shard and number of the trade in a cause like `trade/1/1954/fee`."""
    room, *rest = cause.split("/")
    if room != "trade" or len(rest) < 2 or not (rest[0].isdecimal() and rest[1].isdecimal()):
        return None
    return int(rest[0]), int(rest[1])


def _sentence(what: str, order: int | None, lease: int | None) -> str:
    parts = [what]
    if lease is not None:
        parts.append(_("lease {number}").format(number=lease))
    if order is not None:
        parts.append(_("order {number}").format(number=order))
    return ", ".join(parts)
