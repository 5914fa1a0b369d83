"""Jobs of the ledger: they end reservations whose time is over."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from compute_market.ledger import postings
from compute_market.ledger.models import Reservation

BATCH = 500


def expire_reservations(*, now: datetime) -> int:
    """End the reservations that carry an end and are past it. Safe to run twice; gives how many ended."""
    overdue = list(Reservation.objects.overdue(now).order_by("pk").values_list("pk", "account_id")[:BATCH])
    if not overdue:
        return 0
    with transaction.atomic(durable=True):
        accounts = postings.lock_accounts(ids={account_id for _, account_id in overdue})
        journal = postings.Journal(accounts=accounts.values(), now=now)
        reservations = postings.load_reservations(ids=[pk for pk, _ in overdue])
        ended = [row for row in reservations.values() if row.state == Reservation.State.OPEN]
        for row in ended:
            journal.end(reservation=row, expired=True)
        journal.write()
    return len(ended)
