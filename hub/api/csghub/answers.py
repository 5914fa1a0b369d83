"""The answers of this dialect (docs/wire/opencsg.md#calls)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from hub.api.structs import Answer


class Ok(Answer, kw_only=True):
    """The envelope of success; `msg` is exactly `OK`."""

    msg: Literal["OK"] = "OK"
    data: Answer | Sequence[Answer] | None


class OkPage(Ok, kw_only=True):
    """The same, of a list: `total` counts its rows on all pages."""

    total: int


class Refused(Answer):
    code: str
    msg: str


class Owner(Answer):
    path: str = msgspec.field(name="Path")


class Repository(Answer):
    id: int
    path: str
    namespace: Owner
    name: str
    nickname: str
    description: str
    default_branch: str
    private: bool
    downloads: int
    likes: int
    created_at: str
    updated_at: str


class CommitId(Answer):
    id: str


class Branch(Answer):
    name: str
    commit: CommitId


class PlannedFile(Answer):
    """`oid` is what the path holds now, so that equal files are left out; empty where it holds no file."""

    path: str
    upload_mode: Literal["lfs", "regular"] = msgspec.field(name="uploadMode")
    should_ignore: bool = msgspec.field(name="shouldIgnore")
    is_dir: bool = msgspec.field(name="isDir")
    oid: str


class PlannedFiles(Answer):
    files: list[PlannedFile]


class Instance(Answer):
    deploy_id: int
    deploy_name: str
    model_id: str
    status: str


class Resource(Answer):
    """Hardware to choose from. `resources` is JSON in a text, as the client reads it."""

    id: int
    name: str
    type: Literal["cpu", "gpu"]
    is_available: bool
    resources: str
