"""The refusals of this room."""

from django.utils.translation import gettext_lazy as _

from foundation.errors import Conflict, Denied, Insufficient, Invalid, NotFound, Unavailable


class LeaseNotFound(NotFound):
    code = "lease_not_found"
    message = _("There is no such lease.")


class LeaseNotRunning(Conflict):
    code = "lease_not_running"
    message = _("The lease is {state}.")


class LeaseResold(Conflict):
    code = "lease_resold"
    message = _("Part of the lease is sold; it cannot be ended early.")


class LeaseOffered(Conflict):
    code = "lease_offered"
    message = _("The lease is offered by your orders {orders}; cancel them before you end it.")


class CapacityTaken(Insufficient):
    code = "capacity_taken"
    message = _("Only {free} of {gpus} GPUs are free over this window.")


class WindowOutsideLease(Invalid):
    code = "window_outside_lease"
    message = _("The window does not lie within what is left of the lease.")


class WorkRunning(Conflict):
    code = "work_running"
    message = _("The lease runs a command already; stop it first.")


class WorkNotFound(NotFound):
    code = "work_not_found"
    message = _("The lease runs no command.")


class WorkOver(Conflict):
    code = "work_over"
    message = _("The command is over; no more of its output is taken.")


class WorkInvalid(Invalid):
    code = "work_invalid"
    message = _("{field}: {reason}")


class PortNotServed(NotFound):
    code = "port_not_served"
    message = _("What runs in the lease does not serve “{port}”.")


class TunnelsUnavailable(Unavailable):
    code = "tunnels_unavailable"
    message = _("The way into leases is not available right now.")


class RunnerNotAllowed(Denied):
    code = "runner_not_allowed"
    message = _("This node does not run work as “{runner}”.")


class StaleToken(Conflict):
    code = "stale_token"
    message = _("The report is about work that is no longer this lease's.")


class NoticeTooShort(Invalid):
    code = "notice_too_short"
    message = _("A lease is preempted at least {minutes} minutes after the notice.")
