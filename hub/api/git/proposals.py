"""Which pull request refs somebody may push to without write access."""

from __future__ import annotations

from collections.abc import Collection

from hub.accounts.principals import Principal
from hub.repos.models import Repository


def own_proposals(actor: Principal, repository: Repository) -> Collection[str]:
    """The refs of the actor's own open pull requests on a repository."""
    return ()
