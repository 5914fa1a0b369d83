"""The callers, and the states of the repository that they ask for."""

from __future__ import annotations

# Callers, in the order of the columns. `owner` and after it are credentials of the same user.
CALLERS = (
    "anonymous",  # no credentials
    "stranger",  # signed in, no role here
    "admitted",  # let through the gate, no role
    "reader",  # a collaborator who reads
    "writer",  # a collaborator who writes
    "owner",  # a token with the scope write; on pages, and where it says so, the session
    "read",  # a token with the scope read
    "trade",  # a token with the scope trade
    "grant",  # a fine-grained token: this repository, write
    "peek",  # a fine-grained token: this repository, read
    "other",  # a fine-grained token: another repository of the same owner, write
)

# Scopes that open as much of a repository as another.
SAME_AS = {"deploy": "trade"}

STATES = ("public", "private", "gated", "disabled", "archived", "deleted", "renamed")
