"""The refusals of this room."""

from django.utils.translation import gettext_lazy as _

from compute_market.amounts import credits_of
from foundation.errors import Conflict, Denied, Insufficient, Invalid, NotFound


class AmountInvalid(Invalid):
    code = "amount_invalid"
    message = _("An amount is a whole number of micro-credits from 1 to {amount_max_micros}.")


class InsufficientFunds(Insufficient):
    code = "insufficient_funds"
    message = _("The account has {available} credits available, and {needed} are needed.")

    def __init__(self, *, available_micros: int, needed_micros: int) -> None:
        super().__init__(
            available_micros=available_micros,
            needed_micros=needed_micros,
            available=credits_of(available_micros),
            needed=credits_of(needed_micros),
        )


class MoneyFull(Insufficient):
    code = "money_full"
    message = _(
        "All accounts together hold as much as this hub can count; {left_micros} micro-credits more fit."
    )


class ReservationEnded(Conflict):
    code = "reservation_ended"
    message = _("Reservation {reservation_id} has ended or does not cover this amount.")


class CauseReused(Conflict):
    code = "cause_reused"
    message = _("Another movement was made under the key “{key}”.")


class AccountNotFound(NotFound):
    code = "account_not_found"
    message = _("There is no such account.")


class OperatorOnly(Denied):
    code = "operator_only"
    message = _("Only an operator of this hub may do this.")


class TradeScopeMissing(Denied):
    code = "scope_missing"
    message = _("This access token lacks the scope “trade”, or does not reach this namespace.")


class CapReached(Insufficient):
    code = "cap_reached"
    message = _("The token may spend {cap} credits in all; {left} are left, and {needed} are needed.")

    def __init__(self, *, cap_micros: int, left_micros: int, needed_micros: int) -> None:
        super().__init__(
            cap_micros=cap_micros,
            left_micros=left_micros,
            needed_micros=needed_micros,
            cap=credits_of(cap_micros),
            left=credits_of(left_micros),
            needed=credits_of(needed_micros),
        )


class NotAMember(Denied):
    code = "namespace_denied"
    message = _("You may not spend for this namespace.")
