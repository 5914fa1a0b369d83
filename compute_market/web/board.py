"""The market's public data for pages: prices, depth, quotes. Everything here is a read."""

from compute_market.matching.views.marketdata import Book, Cost, Quote, book, quotes, worst_cost
from compute_market.matching.views.overview import Row, rows

__all__ = ["Book", "Cost", "Quote", "Row", "book", "quotes", "rows", "worst_cost"]
