"""The states of a lease, and the only ways from one to the next (docs/market-leases.md draws them)."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class State(models.TextChoices):
    """The states of a lease. Every path ends in `settled`."""

    PENDING = "pending", _("pending")
    PROVISIONING = "provisioning", _("provisioning")
    ACTIVE = "active", _("active")
    PREEMPT_NOTICE = "preempt_notice", _("preemption notice")
    DRAINING = "draining", _("draining")
    ENDED = "ended", _("ended")
    PROVISION_FAILED = "provision_failed", _("provisioning failed")
    PREEMPTED = "preempted", _("preempted")
    LOST = "lost", _("node lost")
    RECLAIMED = "reclaimed", _("reclaimed")
    SOLD = "sold", _("resold")
    SETTLED = "settled", _("settled")


_BREAKS = {State.LOST, State.RECLAIMED}

NEXT: dict[str, set[State]] = {
    State.PENDING: {State.PROVISIONING, State.ENDED, State.SOLD, *_BREAKS},
    State.PROVISIONING: {State.ACTIVE, State.PROVISION_FAILED, State.DRAINING, State.SOLD, *_BREAKS},
    State.ACTIVE: {State.PREEMPT_NOTICE, State.DRAINING, State.SOLD, *_BREAKS},
    State.PREEMPT_NOTICE: {State.PREEMPTED, State.DRAINING, State.SOLD, *_BREAKS},
    State.DRAINING: {State.ENDED, *_BREAKS},
    State.SOLD: {State.ENDED, *_BREAKS},
    State.ENDED: {State.SETTLED},
    State.PROVISION_FAILED: {State.SETTLED},
    State.PREEMPTED: {State.SETTLED},
    State.LOST: {State.SETTLED},
    State.RECLAIMED: {State.SETTLED},
    State.SETTLED: set(),
}

# Over, but the money is not divided yet.
OVER = (State.ENDED, State.PROVISION_FAILED, State.PREEMPTED, State.LOST, State.RECLAIMED)
# Promised, running or sold on: its GPUs are taken and its minutes are metered once they come.
LIVE = tuple(state for state in State if state not in {*OVER, State.SETTLED})
# Its holder may run work.
RUNNING = (State.ACTIVE, State.PREEMPT_NOTICE)
# Ended by the supply side: the provider owes a credit for what it did not deliver.
BROKEN_BY_PROVIDER = (State.PROVISION_FAILED, State.PREEMPTED, State.LOST)
# Its holder gets a notice of them (`notices`).
NOTICED = (
    State.ACTIVE,
    State.PREEMPT_NOTICE,
    State.ENDED,
    State.PROVISION_FAILED,
    State.PREEMPTED,
    State.LOST,
    State.RECLAIMED,
)
