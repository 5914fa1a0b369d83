"""Facts that leases hear. A receiver only rings a bell."""

from datetime import datetime

from django.db import transaction
from django.dispatch import receiver

from compute_market.leases import tasks
from compute_market.leases.signals import leases_opened


@receiver(leases_opened)
def start_what_begins_now(*, starts_at: datetime, now: datetime, **_: object) -> None:
    """A bell that nobody hears is made up for by the sweep, and never undoes the trades."""
    if starts_at <= now:
        transaction.on_commit(lambda: tasks.advance_leases.apply_async(retry=False), robust=True)
