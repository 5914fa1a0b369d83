"""The bodies that this dialect takes (docs/wire/huggingface.md). A commit is NDJSON, which `upload` reads."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from hub.api.structs import Body, Loose, Size, Text

PREUPLOAD_FILES_MAX = 1000
PATHS_MAX = 1000
LFS_FILES_MAX = 1000
INITIAL_FILES_MAX = 100
WATCHED_SENT_MAX = 1000
DOMAINS_SENT_MAX = 10


# ---- repositories --------------------------------------------------------------------------------


class InitialFile(Body):
    """A file of the first commit; `content` is base64."""

    path: str
    content: Text


class NamedRepository(Body):
    """A repository by its name, `name` or `owner/name`, and perhaps its organization.

    A signed-in caller gets "the name is missing", all others get 401.
    """

    name: Text | None = None
    organization: Loose = None
    type: Loose = None


class NewRepository(NamedRepository):
    visibility: Loose = None
    private: bool | None = None
    license: Loose = None
    sdk: Loose = None
    files: Annotated[list[InitialFile], Meta(max_length=INITIAL_FILES_MAX)] | None = None


class Move(Body):
    source: Text = field(name="fromRepo")
    to: Text = field(name="toRepo")
    type: Loose = None


class Settings(Body):
    """`gated` is a word or false."""

    visibility: Loose = None
    private: bool | None = None
    gated: Loose = None
    discussions_disabled: bool | None = field(name="discussionsDisabled", default=None)


class Duplicate(Body):
    repository: Text
    visibility: Loose = None
    private: bool | None = None


class Card(Body):
    content: Text = ""
    repo_type: Text = field(name="repoType", default="model")


# ---- content -------------------------------------------------------------------------------------


class OfferedFile(Body):
    """`sample` is the beginning of the file in base64."""

    path: str
    size: Size
    sample: Loose = None


class Preupload(Body):
    """The two texts count only as strings; clients send null where they have none."""

    files: Annotated[list[OfferedFile], Meta(max_length=PREUPLOAD_FILES_MAX)]
    git_ignore: Loose = field(name="gitIgnore", default=None)
    git_attributes: Loose = field(name="gitAttributes", default=None)


class CommitHeader(Body):
    """The first line of a commit."""

    summary: Loose = None
    description: Loose = None
    parent_commit: Loose = field(name="parentCommit", default=None)


class CommitFile(Body):
    """A line with content. `encoding` may stand behind the content, and is read after it."""

    path: str
    encoding: Loose = "base64"


class CommitRename(Body):
    """The same line without content, as another client writes a rename."""

    path: str
    old_path: str = field(name="oldPath")


class CommitLfsFile(Body):
    path: str
    oid: Text
    algo: Loose = None
    size: Size | None = None


class CommitDeletion(Body):
    path: str


class Paths(Body):
    paths: Annotated[list[str], Meta(max_length=PATHS_MAX)]
    expand: bool | None = None


class NewBranch(Body):
    start: Text | None = field(name="startingPoint", default=None)
    overwrite: bool | None = None
    is_empty: bool | None = field(name="emptyBranch", default=None)


class NewTag(Body):
    tag: Text
    message: Loose = None


class Squash(Body):
    message: Loose = None


class Deletions(Body):
    """`sha` holds SHA-256 digests of large files, or ids of their pointers' blobs."""

    sha: Annotated[list[Loose], Meta(max_length=LFS_FILES_MAX)]
    rewrite_history: bool | None = field(name="rewriteHistory", default=None)


class LfsDeletions(Body):
    deletions: Deletions


class RepositoryKey(Body):
    type: Text
    name: Text


class SharedFile(Body):
    sha256: str


class SharedFiles(Body):
    target: RepositoryKey
    files: Annotated[list[SharedFile], Meta(max_length=LFS_FILES_MAX)]


# ---- community -----------------------------------------------------------------------------------


class NewDiscussion(Body):
    title: Text
    description: Text = ""
    is_pull_request: bool | None = field(name="pullRequest", default=None)


class Comment(Body):
    comment: Text


class Title(Body):
    title: Text


class Status(Body):
    status: Text
    comment: Text | None = None


class Merge(Body):
    comment: Text | None = None


class EditedComment(Body):
    content: Text


class NewCollection(Body):
    title: Text
    namespace: Text | None = None
    description: Text | None = None
    private: bool | None = None


class CollectionChange(Body):
    title: Text | None = None
    description: Text | None = None
    private: bool | None = None
    theme: Text | None = None
    position: int | None = None


class ItemKey(Body):
    type: Text
    id: Text


class NewItem(Body):
    item: ItemKey
    note: Text | None = None


class ItemChange(Body):
    note: Text | None = None
    position: int | None = None


class AccessDecision(Body, kw_only=True):
    """A decision on one request for access, named by its user or by its id."""

    user: Text | None = None
    request_id: Text | None = field(name="requestId", default=None)
    status: Text
    reason: Text | None = field(name="rejectionReason", default=None)


class AccessGrant(Body):
    user: Text


class Webhook(Body):
    """A new webhook, or the change of one. The client sends an empty `watched` where it means "leave it"."""

    url: Text | None = None
    secret: Text | None = None
    domains: Annotated[list[Loose], Meta(max_length=DOMAINS_SENT_MAX)] | None = None
    watched: Annotated[list[RepositoryKey], Meta(max_length=WATCHED_SENT_MAX)] | None = None
    job: Loose = None
    job_source_id: Loose = field(name="jobSourceId", default=None)
