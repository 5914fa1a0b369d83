"""Discussions and pull requests."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType, field

from hub.api.hf.answers.common import RepositoryName
from hub.api.structs import Answer


class Author(Answer, rename="camel", kw_only=True):
    row_id: str = field(name="_id")
    name: str
    fullname: str
    avatar_url: str
    type: Literal["user"] = "user"
    is_pro: bool = False
    is_hf: bool = False


class Text(Answer, rename="camel"):
    """A comment's text, or one that it had before. Without `author` the client says `deleted`."""

    raw: str
    html: str
    updated_at: str
    author: Author | UnsetType = UNSET


class Comment(Answer, rename="camel"):
    edited: bool
    hidden: bool
    latest: Text
    num_edits: int
    history: list[Text]


class Event(Answer, rename="camel", kw_only=True):
    """`data` is the comment, or what the event changed: `from` and `to`, `status`, `subject` and `oid`.

    Without `author` the client says `deleted`.
    """

    id: str
    type: str
    created_at: str
    author: Author | UnsetType = UNSET
    data: Comment | dict[str, str]


class Owner(Answer):
    name: str
    type: Literal["org", "user"]


class Changes(Answer, rename="camel"):
    """`mergeCommitId` is there once the pull request is merged."""

    base: str
    merge_commit_id: str | UnsetType = UNSET


class Discussion(Answer, rename="camel", kw_only=True):
    """In lists, alone and when it is made. Without `author` the client says `deleted`.

    Alone it has `events`, and a pull request has `changes` and `filesWithConflicts`: true where it cannot be
    merged and no file is to blame. `diff` is there where the call asks for it; `pullRequest` when it is made.
    """

    num: int
    title: str
    status: str
    is_pull_request: bool
    created_at: str
    num_comments: int
    pinned: bool = False
    repo: RepositoryName
    repo_owner: Owner
    author: Author | UnsetType = UNSET
    pull_request: bool | UnsetType = UNSET
    events: list[Event] | UnsetType = UNSET
    changes: Changes | UnsetType = UNSET
    files_with_conflicts: list[str] | Literal[True] | UnsetType = UNSET
    diff: str | UnsetType = UNSET


class Discussions(Answer, rename="camel"):
    discussions: list[Discussion]
    count: int
    start: int
    num_closed_discussions: int


class NewMessage(Answer, rename="camel"):
    new_message: Event


class NewTitle(Answer, rename="camel"):
    new_title: Event


class NewStatus(Answer, rename="camel"):
    new_status: Event


class UpdatedComment(Answer, rename="camel"):
    updated_comment: Event
