"""Balances, statements and movements of money."""

from __future__ import annotations

from typing import Annotated, Self

from compute_market.api.answers import fields
from compute_market.api.base import moment
from compute_market.ledger import selectors
from compute_market.ledger.models import Account, Transfer
from compute_market.matching.views.statements import Concerning
from foundation.answers import Answer, shown

AccountKind = Annotated[str, shown("main", words=sorted(Account.OWNED, reverse=True))]
TransferKind = Annotated[str, shown("deposit", words=[str(kind) for kind in Transfer.Kind.values])]


class BalanceAnswer(Answer):
    """An account: what is there, what orders hold of it, and what is available."""

    kind: AccountKind
    balance_micros: Annotated[fields.Micros, shown(10_000_000_000)]
    held_micros: Annotated[fields.Micros, shown(1_729_728_000)]
    available_micros: Annotated[fields.Micros, shown(8_270_272_000)]

    @classmethod
    def of(cls, row: selectors.Balance) -> Self:
        return cls(
            kind=row.kind,
            balance_micros=row.balance_micros,
            held_micros=row.held_micros,
            available_micros=row.available_micros,
        )


class BalancesAnswer(Answer):
    items: list[BalanceAnswer]


class TransferAnswer(Answer):
    """Money that was moved."""

    id: Annotated[int, shown(5)]
    kind: TransferKind
    amount_micros: Annotated[fields.Micros, shown(10_000_000_000)]
    cause: Annotated[str, shown("deposit/p-1", "What it was for; never twice.")]
    at: fields.Moment

    @classmethod
    def of(cls, transfer: Transfer) -> Self:
        return cls(
            id=transfer.pk,
            kind=transfer.kind,
            amount_micros=transfer.amount_micros,
            cause=transfer.cause,
            at=moment(transfer.at),
        )


class StatementLine(Answer):
    """A movement of one account; negative: it paid."""

    id: Annotated[int, shown(5)]
    at: fields.Moment
    kind: Annotated[TransferKind, shown("escrow")]
    amount_micros: Annotated[fields.Micros, shown(-2_304_000_000)]
    cause: Annotated[str, shown("trade/1/1954")]
    order: fields.OrderId | None
    lease: fields.LeaseId | None
    text: Annotated[str, shown("lease paid in, lease 17, order 42", "A sentence for people.")]

    @classmethod
    def of(cls, line: selectors.StatementLine, concerning: Concerning) -> Self:
        return cls(
            id=line.transfer_id,
            at=moment(line.at),
            kind=line.kind,
            amount_micros=line.amount_micros,
            cause=line.cause,
            **concerning,
        )


class StatementAnswer(Answer):
    items: list[StatementLine]
    next: Annotated[int, shown(4, "Give it as `before` for the next page.")] | None
