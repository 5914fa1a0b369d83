"""Invariants of the ledger. They are checked after every market test and by `manage.py audit_market`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from django.db.models import F, Q, Sum

from compute_market.ledger.models import Account, Reservation, Transfer


def audit() -> list[str]:
    """Every broken rule as one sentence; an empty list means that the books are right."""
    return [*_sums_to_zero(), *_balances_are_their_movements(), *_holds_are_their_reservations(), *_draws()]


def _sums_to_zero() -> Iterator[str]:
    total = Account.objects.aggregate(total=Sum("balance_micros"))["total"] or 0
    if total:
        yield f"The ledger sums to {total} micro-credits, not to zero."


def _balances_are_their_movements() -> Iterator[str]:
    moved: dict[int, int] = defaultdict(int)
    for account_id, total in Transfer.objects.values_list("debit").annotate(total=Sum("amount_micros")):
        moved[account_id] -= total
    for account_id, total in Transfer.objects.values_list("credit").annotate(total=Sum("amount_micros")):
        moved[account_id] += total
    for account in Account.objects.order_by("pk"):
        if account.balance_micros != moved[account.pk]:
            yield f"The {account} holds {account.balance_micros}; its movements say {moved[account.pk]}."
        del moved[account.pk]
    for account_id in moved:
        yield f"Transfers name account {account_id}, which is not there."


def _holds_are_their_reservations() -> Iterator[str]:
    held = dict(
        Reservation.objects.open()
        .values_list("account")
        .annotate(total=Sum(F("amount_micros") - F("drawn_micros")))
    )
    for account in Account.objects.order_by("pk"):
        if account.held_micros != held.get(account.pk, 0):
            yield (
                f"The {account} has {account.held_micros} held;"
                f" its open reservations say {held.get(account.pk, 0)}."
            )


def _draws() -> Iterator[str]:
    drawn = dict(
        Transfer.objects.exclude(reservation=None)
        .values_list("reservation_id")
        .annotate(total=Sum("amount_micros"))
    )
    for reservation in Reservation.objects.filter(Q(drawn_micros__gt=0) | Q(pk__in=drawn)).iterator():
        if reservation.drawn_micros != drawn.pop(reservation.pk, 0):
            yield f"The {reservation} says {reservation.drawn_micros} drawn; its transfers differ."
    for reservation_id in drawn:
        yield f"Transfers draw on reservation {reservation_id}, which is not there."
