"""The refusals of this room."""

from django.utils.translation import gettext_lazy as _

from foundation.errors import Conflict, Denied, Insufficient, Invalid, NotFound, Unauthenticated


class ProductNotFound(NotFound):
    code = "product_not_found"
    message = _("There is no product “{product}”.")


class ProductClosed(Conflict):
    code = "product_closed"
    message = _("The product {product} is {state}.")


class ProviderNotFound(NotFound):
    code = "provider_not_found"
    message = _("This namespace isn't a provider.")


class NodeNotFound(NotFound):
    code = "node_not_found"
    message = _("Node not found.")


class NodeNameTaken(Conflict):
    code = "node_name_taken"
    message = _("The provider already has a node named “{name}”.")


class NodeNotTradable(Conflict):
    code = "node_not_tradable"
    message = _("Node {node} can't be offered: {reason}")


class NodeFieldInvalid(Invalid):
    code = "node_invalid"
    message = _("{field}: {reason}")


class TooManyNodes(Insufficient):
    code = "too_many_nodes"
    message = _("A provider can have at most {nodes_max} nodes.")


class EnrolmentRefused(Unauthenticated):
    code = "enrolment_refused"
    message = _("This enrolment key is unknown, already used or expired.")


class AgentRefused(Unauthenticated):
    code = "agent_refused"
    message = _("The agent's request was refused: {reason}")


class AgentReplayed(AgentRefused):
    code = "agent_replayed"
    message = _("This request, or a later one, was already received.")


class AgentClockOff(AgentRefused):
    code = "agent_clock_off"
    message = _("The agent's clock is wrong; the time here is {now}.")


class NodeRetired(AgentRefused):
    code = "node_retired"
    message = _("The node is retired.")


class AgentElsewhere(Denied):
    code = "agent_elsewhere"
    message = _("This agent key belongs to another machine.")


class ReportInvalid(Invalid):
    code = "hardware_report_invalid"
    message = _("{field}: {reason}")
