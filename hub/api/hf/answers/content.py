"""Files, refs, commits and uploads."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType, field

from hub.api.structs import Answer


class LfsPointer(Answer, rename="camel"):
    """As trees have it: the key is `oid` here, and `sha256` in `siblings`."""

    oid: str
    size: int
    pointer_size: int


class LastCommit(Answer):
    id: str
    title: str
    date: str


class TreeEntry(Answer, rename="camel"):
    """A file or a folder; with `expand` it has the commit that last touched it.

    `lfs` is there for a file that is in LFS, `xetHash` where Xet holds it too: clients that know Xet fetch
    such a file by its chunks and ask no HEAD.
    """

    type: str
    oid: str
    size: int
    path: str
    lfs: LfsPointer | UnsetType = UNSET
    xet_hash: str | UnsetType = UNSET
    last_commit: LastCommit | UnsetType = UNSET


class Ref(Answer, rename="camel"):
    name: str
    ref: str
    target_commit: str


class Refs(Answer, rename="camel"):
    """`pullRequests` is there where the call asks for it."""

    branches: list[Ref]
    converts: list[Ref]
    tags: list[Ref]
    pull_requests: list[Ref] | UnsetType = UNSET


class CommitAuthor(Answer):
    user: str


class CommitText(Answer):
    title: str
    message: str


class Commit(Answer):
    id: str
    title: str
    message: str
    date: str
    authors: list[CommitAuthor]
    formatted: CommitText | UnsetType = UNSET


class LfsFile(Answer, rename="camel"):
    """A large file of any commit. `fileOid` is the blob of its pointer."""

    file_oid: str
    filename: str
    oid: str
    pushed_at: str
    ref: str
    size: int


class NotShared(Answer):
    sha256: str
    error: str


class SharedFiles(Answer):
    """The large files that the source does not have."""

    failed: list[NotShared]


class FileChange(Answer, rename="camel"):
    path: str
    old_path: str | None
    status: str
    additions: int
    deletions: int
    is_binary: bool
    patch: str


class Comparison(Answer):
    """`base` is null where the two have no commit in common."""

    base: str | None
    head: str
    files: list[FileChange]


class PlannedFile(Answer):
    """`oid` is the LFS object or the blob that the path holds now; null where it holds no file."""

    path: str
    upload_mode: Literal["lfs", "regular"] = field(name="uploadMode")
    should_ignore: bool = field(name="shouldIgnore")
    oid: str | None


class Preupload(Answer):
    files: list[PlannedFile]
    commit_oid: str = field(name="commitOid")


class Committed(Answer):
    """`pullRequestUrl` is there where the commit opened a pull request."""

    success: bool
    commit_oid: str = field(name="commitOid")
    commit_url: str = field(name="commitUrl")
    hook_output: str = field(name="hookOutput")
    pull_request_url: str | UnsetType = field(name="pullRequestUrl", default=UNSET)


class XetAccess(Answer, rename="camel"):
    """`exp` is in Unix seconds."""

    access_token: str
    exp: int
    cas_url: str
