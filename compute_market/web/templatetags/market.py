"""Template tags that draw the market's figures."""

from __future__ import annotations

from collections.abc import Sequence

from django import template

from compute_market.web import charts

register = template.Library()
POINTS_MAX = 48


@register.filter
def sparkline(prices: Sequence[int]) -> str:
    """The points of a small line through the newest prices; empty with fewer than two."""
    return charts.sparkline(prices[-POINTS_MAX:])
