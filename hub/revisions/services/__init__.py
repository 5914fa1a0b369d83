"""Use cases of content: commit, branches and tags, rewriting history."""

from hub.revisions.services.commits import Committed, NewCommit, commit, commit_to_ref
from hub.revisions.services.history import delete_lfs_files, duplicate, super_squash
from hub.revisions.services.pushes import move_pushed, receive_push
from hub.revisions.services.refs import create_branch, create_tag, delete_branch, delete_tag

__all__ = [
    "Committed",
    "NewCommit",
    "commit",
    "commit_to_ref",
    "create_branch",
    "create_tag",
    "delete_branch",
    "delete_lfs_files",
    "delete_tag",
    "duplicate",
    "move_pushed",
    "receive_push",
    "super_squash",
]
