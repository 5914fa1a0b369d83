"""The answers of this dialect (docs/wire/modelscope.md#calls).

`/api/v1` writes its keys in PascalCase, `/openapi/v1` in snake_case.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, UnsetType, field

from hub.api.structs import Answer


class Legacy(Answer, rename="pascal", kw_only=True):
    """The envelope of `/api/v1`. `code` is the HTTP status, or what the client looks for in its place."""

    code: int | str
    success: bool
    message: str
    request_id: str = ""
    data: Answer | Sequence[Answer] | None


class OpenRefused(Answer):
    """A refusal of `/openapi/v1`."""

    success: bool
    code: str
    message: str
    request_id: str


class Opened(Answer, kw_only=True):
    """The envelope of `/openapi/v1`."""

    success: bool = True
    request_id: str = ""
    data: Answer | Sequence[Answer]


class Account(Answer, rename="pascal"):
    access_token: str
    username: str
    email: str


class Me(Answer):
    id: int
    username: str
    email: str
    description: str


class Listed(Answer):
    """A repository in `/openapi/v1`, in lists and alone."""

    id: str
    display_name: str
    description: str
    private: bool
    gated: bool
    login_required: bool
    license: str
    downloads: int
    likes: int
    tags: list[str]
    tasks: list[str]
    file_size: int
    created_at: str
    last_modified: str


class ListedPage(Answer, kw_only=True):
    """The rows stand under the word of their kind, and that key alone is sent."""

    models: list[Listed] | UnsetType = UNSET
    datasets: list[Listed] | UnsetType = UNSET
    studios: list[Listed] | UnsetType = UNSET
    skills: list[Listed] | UnsetType = UNSET
    mcps: list[Listed] | UnsetType = UNSET
    total_count: int
    page_number: int
    page_size: int


class Detailed(Answer, rename="pascal"):
    """A repository in `/api/v1`. Datasets need `Id` and `Type`. Times are Unix seconds."""

    id: int
    type: int
    path: str
    owner: str
    namespace: str
    name: str
    visibility: int
    license: str
    description: str
    downloads: int
    likes: int
    created_at: int
    last_updated_time: int
    tags: list[str]
    revision: str
    protected_mode: int
    is_dataset: bool


class File(Answer, rename="pascal"):
    """A file or a folder. `sha256` is empty where it was not computed; the date is in Unix seconds."""

    path: str
    name: str
    type: str
    size: int
    sha256: str
    is_lfs: bool = field(name="IsLFS")
    mode: str
    revision: str
    committed_date: int
    commit_message: str
    committer_name: str
    in_check: bool


class Files(Answer, rename="pascal"):
    files: list[File]
    latest_committer: str


class Revision(Answer, rename="pascal"):
    """A branch or a tag, and when its commit was made, in Unix seconds."""

    revision: str
    created_at: int


class Revisions(Answer, rename="pascal"):
    branches: list[Revision]
    tags: list[Revision]


class RevisionMap(Answer, rename="pascal"):
    revision_map: Revisions


class Committed(Answer, rename="pascal"):
    """The same commit under two names: clients of different versions read one of them."""

    commit_id: str
    id: str


class Acceleration(Answer, rename="pascal"):
    internal_region_query_address: str


class Upload(Answer):
    href: str
    header: dict[str, str]


class Actions(Answer):
    upload: Upload


class BatchObject(Answer):
    """An object without `actions` is stored already."""

    oid: str
    size: int
    actions: Actions | UnsetType = UNSET


class BatchObjects(Answer):
    objects: list[BatchObject]


class Batch(Answer):
    """The objects stand in it twice: clients of different versions read one of them."""

    code: int = field(name="Code")
    success: bool = field(name="Success")
    objects: list[BatchObject]
    data: BatchObjects = field(name="Data")
