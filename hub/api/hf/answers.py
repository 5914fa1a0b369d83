"""The answers of this dialect that are declared (docs/wire/huggingface.md)."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType, field

from hub.api.structs import Answer


class Success(Answer):
    success: bool


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
