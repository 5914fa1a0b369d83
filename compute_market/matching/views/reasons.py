"""Texts for the engine's reasons: why an order was refused or has ended."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from compute_market.matching.engine.events import Reason

SENTENCES = {
    Reason.UNKNOWN_PRODUCT: _("The product was not listed yet."),
    Reason.PRODUCT_HALTED: _("Trading in the product was halted."),
    Reason.PRODUCT_CLOSED: _("Trading in the product has ended."),
    Reason.OFF_TICK: _("The price was not a multiple of the tick."),
    Reason.OFF_LOT: _("The number of GPUs was not a multiple of the lot."),
    Reason.OUTSIDE_PRICE_BAND: _("The price was outside the price band."),
    Reason.NODE_SUSPENDED: _("The node was not tradable."),
    Reason.WINDOW_PASSED: _("The window had already started or passed."),
    Reason.WOULD_TRADE: _("It would have filled immediately, but was post-only."),
    Reason.NOT_FILLABLE: _("It could not be filled completely at once."),
    Reason.NOT_ON_ONE_NODE: _("No single node could fill it completely at once."),
    Reason.WINDOW_BEGUN: _("The window had started; it took what one node could give."),
    Reason.NOT_OPEN: _("The order was no longer open."),
    Reason.VERSION_CHANGED: _("The order had changed in the meantime."),
    Reason.NOTHING_LEFT: _("Nothing was left to trade."),
    Reason.REQUESTED: _("Cancelled on request."),
    Reason.IMMEDIATE: _("What could not be filled immediately was cancelled."),
    Reason.SELF_TRADE: _("It matched an order of the same account."),
    Reason.EXPIRED: _("Expired."),
}


def sentence(reason: str) -> str:
    """A reason as a sentence in the reader's language; empty where there is none."""
    return str(SENTENCES.get(reason, reason))
