"""Refused orders: the same body under the same client order id gets the same refusal again (rule M6).

A row holds a digest of the request, never the body. Rows are forgotten after `KEPT` or when an account has
more than `ACCOUNT_MAX` of them; until then the id of a refused order cannot be used again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.utils.translation import gettext_lazy as _

from compute_market.leases.errors import CapacityTaken, LeaseNotFound, WindowOutsideLease
from compute_market.ledger.errors import AmountInvalid, InsufficientFunds
from compute_market.matching.errors import OrderInvalid, ProductClosed, TooManyOrders
from compute_market.matching.models import RefusedOrder
from compute_market.offers.errors import NodeNotFound, NodeNotTradable, ProductNotFound
from foundation.errors import Invalid, Refusal

KEPT = timedelta(hours=24)
ACCOUNT_MAX = 10_000


class OrderMalformed(Invalid):
    """A request body that is not an order. Its errors are computed anew each time."""

    code = "invalid"
    message = _("The request is malformed.")


REMEMBERED: dict[str, type[Refusal]] = {
    kind.code: kind
    for kind in (
        AmountInvalid,
        CapacityTaken,
        InsufficientFunds,
        LeaseNotFound,
        NodeNotFound,
        NodeNotTradable,
        OrderInvalid,
        OrderMalformed,
        ProductClosed,
        ProductNotFound,
        TooManyOrders,
        WindowOutsideLease,
    )
}
"""Refusals of an order, by code. A halted product is none: it says to try again later (503)."""


class Refused(NamedTuple):
    """A refused order: its account and id, a digest of its body, and the reason."""

    account_id: int
    client_order_id: str
    fingerprint: str
    refusal: Refusal


def is_remembered(refusal: Refusal) -> bool:
    """True if the refusal uses the client order id up. An id that is not valid is not used up."""
    return REMEMBERED.get(refusal.code) is type(refusal) and (
        refusal.details.get("field") != "client_order_id"
    )


def find(*, account_id: int, names: Collection[str]) -> dict[str, Refused]:
    """Client order id → what was refused under it."""
    rows = RefusedOrder.objects.filter(account=account_id, client_order_id__in=names)
    return {
        row.client_order_id: Refused(account_id, row.client_order_id, row.fingerprint, _refusal_of(row))
        for row in rows
        if row.code in REMEMBERED
    }


def _refusal_of(row: RefusedOrder) -> Refusal:
    """The refusal as it was raised: some kinds work their details out of other arguments."""
    kind = REMEMBERED[row.code]
    refusal = kind.__new__(kind)
    Refusal.__init__(refusal, **row.details)
    return refusal


def write(refused: Sequence[Refused], *, now: Any) -> None:
    """Remember refusals, as many as the accounts have room for. Needs the accounts' locks."""
    fresh = []
    for account_id in {each.account_id for each in refused}:
        room = ACCOUNT_MAX - RefusedOrder.objects.filter(account=account_id)[:ACCOUNT_MAX].count()
        mine = [each for each in refused if each.account_id == account_id]
        fresh += mine[: max(0, room)]
    RefusedOrder.objects.bulk_create(
        RefusedOrder(
            account_id=each.account_id,
            client_order_id=each.client_order_id,
            fingerprint=each.fingerprint,
            code=each.refusal.code,
            details=_plain(each.refusal.details),
            refused_at=now,
        )
        for each in fresh
    )


def _plain(details: dict[str, Any]) -> dict[str, Any]:
    return {name: value if isinstance(value, int | bool) else str(value) for name, value in details.items()}
