"""The book: orders, trades and the pure engine."""
