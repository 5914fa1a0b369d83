"""The spending of a token with a cap, and whether a purchase fits under it (docs/adr/0174)."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import F, Model, QuerySet, Sum
from django.db.models.expressions import Combinable

from compute_market.leases.models import Lease
from compute_market.ledger.errors import CapReached
from compute_market.ledger.models import Reservation, TokenBudget, TokenPurchase
from compute_market.matching.models import Command, Order, Trade


def charge(budget: TokenBudget, *, cap_micros: int, order_ids: Iterable[int] = ()) -> None:
    """Count orders that were just written as the token's, and require that all it bought fits its cap.

    The caller holds the budget's lock, and its transaction rolls back with the refusal. Raises: CapReached.
    """
    made = [TokenPurchase(budget=budget, order_number=pk) for pk in order_ids]
    TokenPurchase.objects.bulk_create(made)
    mine = Order.objects.filter(pk__in=budget.purchases.values("order_number"))
    committed = committed_micros(mine)
    if committed > cap_micros:
        newest = committed_micros(mine.filter(pk__in=[purchase.order_number for purchase in made]))
        raise CapReached(
            cap_micros=cap_micros,
            left_micros=max(0, cap_micros - (committed - newest)),
            needed_micros=newest or committed - cap_micros,
        )


def committed_micros(orders: QuerySet[Order]) -> int:
    """The holds and payments of a token's buys, less refunds, in micro-credits.

    Holds are read before payments: a fill in between is counted twice for this moment, and never missed.
    """
    ids = orders.order_by().values("pk")
    open_holds = Reservation.objects.open()
    left = F("amount_micros") - F("drawn_micros")
    held = _sum(open_holds.filter(pk__in=orders.order_by().values("reservation")), left)
    amends = Command.objects.filter(kind=Command.Kind.AMEND, order__in=ids)
    held += _sum(open_holds.filter(pk__in=amends.values("reservation")), left)
    paid = _sum(Trade.objects.filter(buy__in=ids), F("notional_micros") + F("buy_fee_micros"))
    accounts = orders.order_by().values("account")
    bought = Lease.objects.filter(holder__in=accounts, order_number__in=ids)
    came_back = F("refunded_micros") + F("fee_refunded_micros") - F("cancel_fee_micros")
    return held + paid - _sum(bought.exclude(settled_at=None), came_back)


def _sum(rows: QuerySet[Model], amount: Combinable) -> int:
    return int(rows.aggregate(total=Sum(amount))["total"] or 0)
