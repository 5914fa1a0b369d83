"""Use cases of the community, by subject."""

from hub.community.services.pull_requests import open_pull_request
from hub.community.services.pushes import receive_push, require_push
from hub.community.services.targets import (
    Branch,
    NewPullRequest,
    Placed,
    PullRequest,
    Target,
    open_target,
)

__all__ = [
    "Branch",
    "NewPullRequest",
    "Placed",
    "PullRequest",
    "Target",
    "open_pull_request",
    "open_target",
    "receive_push",
    "require_push",
]
