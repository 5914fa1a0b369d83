"""A hold on collections: while it lasts, nothing that a row names loses its bytes. Backups place it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from hub.repos.models import CollectionHold

ROW = 1


def hold(*, until: datetime) -> None:
    """Keep all collections away until that moment, or until later if they are kept away already.

    When this returns, each deletion that began before is committed, and none begins any more.
    """
    with transaction.atomic(durable=True):
        held, _ = CollectionHold.objects.select_for_update().get_or_create(pk=ROW, defaults={"until": until})
        if held.until < until:
            held.until = until
            held.save(update_fields=["until"])


def is_held(now: datetime) -> bool:
    """True while nothing may be collected."""
    return CollectionHold.objects.filter(until__gt=now).exists()


def lock(now: datetime) -> bool:
    """The same, in the transaction that deletes rows: no hold begins before it is committed."""
    held = CollectionHold.objects.select_for_update().filter(pk=ROW).first()
    return held is not None and held.until > now
