"""The purpose of movements of money: the order and the lease behind each, as text."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import TypedDict

from django.db.models import Q
from django.utils import translation
from django.utils.translation import gettext as _

from compute_market.leases import selectors as leases
from compute_market.ledger.models import Account
from compute_market.ledger.selectors import StatementLine, whole_statement
from compute_market.matching.models import Trade
from foundation.batches import batches

CSV_COLUMNS = (
    *("at", "kind", "amount_micros", "balance_micros", "cause", "transfer_id"),
    *("order", "lease", "text"),
)
CSV_LINES_AT_ONCE = 500


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


def statement_csv(*, account: Account) -> Iterator[str]:
    """A whole statement as CSV, oldest first, in pieces that are made as they are read.

    Each line has the balance after it, and the order and the lease it was for, also in words: those of the
    language that is active now, whichever is while the pieces are read.
    """
    return _csv_pieces(account, language=translation.get_language() or "en")


def _csv_pieces(account: Account, *, language: str) -> Iterator[str]:
    balance = 0
    yield _csv([CSV_COLUMNS])
    following = whole_statement(account=account)
    for lines in batches(following, CSV_LINES_AT_ONCE):
        with translation.override(language):
            known = concerning(lines, account_id=account.pk)
        rows: list[Sequence[object]] = []
        for line in lines:
            balance += line.amount_micros
            about = known[line.cause]
            row = (line.at.isoformat(), line.kind, line.amount_micros, balance, line.cause, line.transfer_id)
            rows.append((*row, about["order"], about["lease"], about["text"]))
        yield _csv(rows)


def _csv(rows: Sequence[Sequence[object]]) -> str:
    buffer = StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()


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
