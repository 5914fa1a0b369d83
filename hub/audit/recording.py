"""The step that writes the audit log."""

from __future__ import annotations

from typing import Any

import structlog
from django.db import transaction

from hub.accounts.principals import Principal
from hub.audit.models import AuditEntry

SUBJECT_MAX = 300


class NotInTransaction(RuntimeError):
    """An entry must stand or fall with what it tells of."""


def record(
    *, actor: Principal | None, action: str, subject: str, namespace_id: int | None = None, **details: Any
) -> AuditEntry:
    """Write one entry within the caller's transaction. Details are JSON values; never secrets.

    The admins of the namespace may read it; None: operators alone.

    Raises NotInTransaction where the caller has none.
    """
    if not transaction.get_connection().in_atomic_block:
        raise NotInTransaction(action)
    return AuditEntry.objects.create(
        actor=_name_of(actor),
        action=action,
        subject=subject[:SUBJECT_MAX],
        namespace_id=namespace_id,
        details=details,
        request_id=str(structlog.contextvars.get_contextvars().get("request_id", "")),
    )


def _name_of(actor: Principal | None) -> str:
    if actor is None:
        return ""
    return "system" if actor.is_system else actor.name
