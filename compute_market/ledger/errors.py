"""The refusals of this room."""

from django.utils.translation import gettext_lazy as _

from compute_market.amounts import credits_of
from foundation.errors import Conflict, Denied, Insufficient, Invalid, NotFound


class AmountInvalid(Invalid):
    code = "amount_invalid"
    message = _("An amount must be a whole number of micro-credits from 1 to {amount_max_micros}.")


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
    message = _("This hub can't hold that much: only {left_micros} more micro-credits fit.")


class ReservationEnded(Conflict):
    code = "reservation_ended"
    message = _("Reservation {reservation_id} has ended or doesn't cover this amount.")


class CauseReused(Conflict):
    code = "cause_reused"
    message = _("The key “{key}” was already used for another transfer.")


class AccountNotFound(NotFound):
    code = "account_not_found"
    message = _("Account not found.")


class OperatorOnly(Denied):
    code = "operator_only"
    message = _("Only an administrator of this hub can do this.")


class TradeScopeMissing(Denied):
    code = "scope_missing"
    message = _("This access token lacks the scope “trade”, or doesn't cover this namespace.")


class CapReached(Insufficient):
    code = "cap_reached"
    message = _("This token can spend {cap} credits in total; {left} are left and {needed} are needed.")

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
    message = _("You can't spend for this namespace.")
