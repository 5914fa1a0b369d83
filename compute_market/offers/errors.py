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
    message = _("This namespace is not a provider.")


class NodeNotFound(NotFound):
    code = "node_not_found"
    message = _("There is no such node.")


class NodeNameTaken(Conflict):
    code = "node_name_taken"
    message = _("The provider has a node called “{name}” already.")


class NodeNotTradable(Conflict):
    code = "node_not_tradable"
    message = _("The node {node} cannot be offered: {reason}")


class NodeFieldInvalid(Invalid):
    code = "node_invalid"
    message = _("{field}: {reason}")


class TooManyNodes(Insufficient):
    code = "too_many_nodes"
    message = _("A provider has at most {nodes_max} nodes.")


class EnrolmentRefused(Unauthenticated):
    code = "enrolment_refused"
    message = _("This enrolment key is not known, was used already, or is too old.")


class AgentRefused(Unauthenticated):
    code = "agent_refused"
    message = _("The agent's request was refused: {reason}")


class AgentReplayed(AgentRefused):
    code = "agent_replayed"
    message = _("This request, or a later one, has been received before.")


class AgentClockOff(AgentRefused):
    code = "agent_clock_off"
    message = _("The agent's clock is off; it is {now} here.")


class NodeRetired(AgentRefused):
    code = "node_retired"
    message = _("The node is retired.")


class AgentElsewhere(Denied):
    code = "agent_elsewhere"
    message = _("This agent key belongs to another machine.")


class ReportInvalid(Invalid):
    code = "hardware_report_invalid"
    message = _("{field}: {reason}")
