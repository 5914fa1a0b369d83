"""Use cases of the community, by subject."""

from hub.community.services.pull_requests import (
    Proposed,
    commit_as_pull_request,
    commit_to_pull_request,
    open_pull_request,
    require_push,
)

__all__ = [
    "Proposed",
    "commit_as_pull_request",
    "commit_to_pull_request",
    "open_pull_request",
    "require_push",
]
