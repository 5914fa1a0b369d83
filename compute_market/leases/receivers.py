"""Facts that leases hear. A receiver only rings a bell."""

from django.dispatch import receiver

from compute_market.leases import tasks
from compute_market.leases.signals import leases_opened


@receiver(leases_opened)
def start_what_begins_now(**_: object) -> None:
    tasks.advance_leases.delay_on_commit()  # type: ignore[attr-defined]
