"""The refusals of this room."""

from django.utils.translation import gettext_lazy as _

from foundation.errors import Conflict, Denied, Insufficient, Invalid, NotFound, Unavailable


class LeaseNotFound(NotFound):
    code = "lease_not_found"
    message = _("Lease not found.")


class LeaseNotRunning(Conflict):
    code = "lease_not_running"
    message = _("The lease is {state}.")


class LeaseResold(Conflict):
    code = "lease_resold"
    message = _("Part of this lease has been sold, so it can't be ended early.")


class LeaseOffered(Conflict):
    code = "lease_offered"
    message = _("This lease is listed for sale by your orders {orders}. Cancel them before you end it.")


class CapacityTaken(Insufficient):
    code = "capacity_taken"
    message = _("Only {free} of {gpus} GPUs are free in this window.")


class WindowOutsideLease(Invalid):
    code = "window_outside_lease"
    message = _("The window is outside the remaining time of the lease.")


class WorkRunning(Conflict):
    code = "work_running"
    message = _("The lease is already running a command; stop it first.")


class WorkNotFound(NotFound):
    code = "work_not_found"
    message = _("The lease isn't running a command.")


class WorkOver(Conflict):
    code = "work_over"
    message = _("The command has ended; its output is no longer accepted.")


class WorkInvalid(Invalid):
    code = "work_invalid"
    message = _("{field}: {reason}")


class PortNotServed(NotFound):
    code = "port_not_served"
    message = _("Nothing in the lease listens on “{port}”.")


class TunnelsUnavailable(Unavailable):
    code = "tunnels_unavailable"
    message = _("Connections to leases are not available right now.")


class RunnerNotAllowed(Denied):
    code = "runner_not_allowed"
    message = _("This node can't run jobs as “{runner}”.")


class StaleToken(Conflict):
    code = "stale_token"
    message = _("This report is about a job that no longer belongs to the lease.")


class NoticeTooShort(Invalid):
    code = "notice_too_short"
    message = _("Preemption needs at least {minutes} minutes' notice.")
