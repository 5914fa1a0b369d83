"""The refusals of this room."""

from django.utils.translation import gettext_lazy as _

from foundation.errors import Conflict, Insufficient, Invalid, NotFound, Unavailable


class OrderInvalid(Invalid):
    code = "order_invalid"
    message = _("{field}: {reason}")


class BulkTooLarge(Invalid):
    code = "bulk_too_large"
    message = _("A batch can contain 1 to {limit} orders.")


class ClientOrderIdReused(Conflict):
    code = "client_order_id_reused"
    message = _("The client order ID “{client_order_id}” was already used for another order.")


class OrderNotFound(NotFound):
    code = "order_not_found"
    message = _("Order not found.")


class OrderNotOpen(Conflict):
    code = "not_open"
    message = _("The order is no longer open: it is {state}.")


class VersionChanged(Conflict):
    code = "version_changed"
    message = _("The order is now at version {version}.")


class ProductHalted(Unavailable):
    code = "product_halted"
    message = _("Trading in {product} is halted.")


class ProductClosed(Conflict):
    code = "product_closed"
    message = _("Trading in {product} has ended.")


class TooManyOrders(Insufficient):
    code = "too_many_open_orders"
    message = _("An account can have at most {limit} open orders.")


class AmendmentPending(Conflict):
    code = "amendment_pending"
    message = _("Another change to this order is still being processed.")
