"""Template tags that draw the market's figures."""

from __future__ import annotations

from collections.abc import Sequence

from django import template
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compute_market.matching.models import Order
from compute_market.offers import names
from compute_market.offers.models import Product
from compute_market.web import charts

register = template.Library()
POINTS_MAX = 48
FORCES: dict[int, str | Promise] = {
    Order.TimeInForce.GTC: _("good till cancelled (GTC)"),
    Order.TimeInForce.GTD: _("good till date (GTD)"),
    Order.TimeInForce.IOC: _("immediate or cancel (IOC)"),
    Order.TimeInForce.FOK: _("fill or kill (FOK)"),
}
REASONS: dict[str, str | Promise] = {
    "ended early": _("ended early"),
    "its node fell silent": _("its node stopped responding"),
    "its provider retired the node": _("its provider retired the node"),
    "no agent took it up": _("no agent picked it up"),
    "the lease it was a part of is over": _("the lease it belonged to has ended"),
}
"""Reasons that the market itself writes down; a provider's own words are shown as they are."""


@register.filter
def sparkline(prices: Sequence[int]) -> str:
    """The points of a small line through the newest prices; empty with fewer than two."""
    return charts.sparkline(prices[-POINTS_MAX:])


@register.filter
def tier(word: str) -> str:
    """The tier of a product, in the reader's language."""
    return names.tier_of(word)


@register.filter
def product_name(product: Product) -> str:
    """The name of a product as people read it; its slug is for programs."""
    return names.name_of(product)


@register.filter
def force(number: int) -> str:
    """The time in force of an order, in the reader's language."""
    return str(FORCES.get(number, number))


@register.filter
def reason(text: str) -> str:
    """The reason of a change of a lease, in the reader's language where the market wrote it."""
    return str(REASONS.get(text, text))
