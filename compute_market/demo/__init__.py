"""A demo market: a few made-up providers whose nodes are nothing but rows, and somebody who trades with
them, gently, so that a newcomer finds a living book. Everything it owns is marked as demo.

`manage.py demo_market` makes it; the settings `MARKET_DEMO` and `MARKET_DEMO_TRADES` turn its beat off.
"""
