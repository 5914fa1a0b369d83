"""Refs for tests, made without a push."""

from __future__ import annotations

from hub.gitstore import GitRepository


def create_ref(repo: GitRepository, name: str, target: str) -> None:
    """A new ref, made as a push makes it."""
    if (refusal := repo.ref_names().refusal_of(name)) is not None:
        raise refusal
    repo.add_ref(name, target)
