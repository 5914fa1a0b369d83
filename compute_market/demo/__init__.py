"""A demo market: a few made-up providers whose nodes exist only as rows, and a trader who trades with them
at a low rate, so that a new user sees an active book. All its rows are marked as demo.

`manage.py demo_market` makes it; the settings `MARKET_DEMO` and `MARKET_DEMO_TRADES` stop its periodic task.
"""
