"""The kinds of refusal. Rooms subclass a kind and name their case; `foundation.statuses` has their statuses.

A refusal has a kind (its class here), a `code` for programs and a `message` for people.
"""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from django.db import DatabaseError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from foundation.database.conflicts import DatabaseConflict, conflict_of
from foundation.disk_faults import DiskFault, fault_of

logger = logging.getLogger(__name__)


class Refusal(Exception):
    """Something a caller asked for that will not be done, with a reason that can be shown.

    `details` fill the message's placeholders and are given to programs as they are.
    """

    code: ClassVar[str] = "refused"
    message: ClassVar[str | Promise] = _("The request was refused.")

    def __init__(self, **details: Any) -> None:
        self.details = details
        super().__init__(str(self))

    def __str__(self) -> str:
        return str(self.message).format_map(self.details)


class Invalid(Refusal):
    """The request itself is malformed; the same request will never work."""

    code = "invalid"
    message: ClassVar[str | Promise] = "{reason}"


class Unauthenticated(Refusal):
    """The caller is not signed in, or the credentials are unknown."""

    code = "unauthenticated"
    message: ClassVar[str | Promise] = _("Sign in or send an access token.")


class Denied(Refusal):
    """The caller is known and may not do this."""

    code = "denied"
    message: ClassVar[str | Promise] = "{reason}"


class NotFound(Refusal):
    """There is no such thing, or the caller may not know of it."""

    code = "not_found"
    message: ClassVar[str | Promise] = _("Not found.")


class Conflict(Refusal):
    """The thing exists already, or has changed meanwhile."""

    code = "conflict"
    message: ClassVar[str | Promise] = "{reason}"


class Exhausted(Refusal):
    """A limit is used up; the same request may work later."""

    code = "exhausted"
    message: ClassVar[str | Promise] = "{reason}"


class QuotaExceeded(Exhausted):
    """A quota is used up. Waiting does not help: somebody must delete something or raise the quota."""

    code = "quota_exceeded"
    message: ClassVar[str | Promise] = "{reason}"


class Insufficient(Exhausted):
    """There is less than the request needs: of money, GPUs or places. A smaller request may work."""

    code = "insufficient"
    message: ClassVar[str | Promise] = "{reason}"


class RateLimited(Exhausted):
    """The caller made more calls in a window of time than are allowed."""

    code = "rate_limited"
    message: ClassVar[str | Promise] = _("Too many requests. Try again in {retry_after_s} seconds.")


class Unsupported(Refusal):
    """Part of a wire that this hub does not serve; the message names the feature."""

    code = "unsupported"
    message: ClassVar[str | Promise] = _("{feature} is not supported by this hub.")


class Unavailable(Refusal):
    """A dependency does not answer right now; the same request may work later."""

    code = "unavailable"
    message: ClassVar[str | Promise] = "{reason}"


class OutOfSpace(Unavailable):
    """A disk or bucket takes no more bytes."""

    code = "out_of_space"
    message: ClassVar[str | Promise] = "{reason}"


class DeletedMeanwhile(Conflict):
    """Another request deleted what this one was about to add to."""

    code = "deleted_meanwhile"
    message: ClassVar[str | Promise] = _("What this belongs to has been deleted in the meantime.")


class Interrupted(Unavailable):
    """The database ended this request's transaction in favour of another one; nothing was written."""

    code = "interrupted"
    message: ClassVar[str | Promise] = _("Another request changed the same data. Try again.")


class DiskFull(OutOfSpace):
    """A disk of the hub takes no more bytes."""

    code = "disk_full"
    message: ClassVar[str | Promise] = _(
        "The hub's disk is full. Nothing was stored; contact an administrator."
    )


class ReadOnly(Unavailable):
    """A disk or a database of the hub can be read only."""

    code = "read_only"
    message: ClassVar[str | Promise] = _("The hub can only be read now. Nothing was stored; try again later.")


def refusal_of(error: Exception) -> Refusal | None:
    """The refusal for an error that another request or a disk caused; None: the error is a bug.

    The error is logged with its traceback: a foreign key that the code itself got wrong looks the same.
    """
    fault = fault_of(error)
    if fault is not None:
        logger.error("disk_fault kind=%s", fault.value, exc_info=error)
        return DiskFull() if fault is DiskFault.FULL else ReadOnly(retry_after_s=60)
    conflict = conflict_of(error) if isinstance(error, DatabaseError) else None
    if conflict is None:
        return None
    logger.warning("database_conflict kind=%s", conflict.value, exc_info=error)
    if conflict is DatabaseConflict.PARENT_DELETED:
        return DeletedMeanwhile()
    return Interrupted(retry_after_s=1)
