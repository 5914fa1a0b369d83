"""Accounts and transfers: reserve, then post or void."""
