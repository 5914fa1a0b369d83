"""The bodies that this dialect takes (docs/wire/opencsg.md#calls)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from hub.api.structs import Body, Loose, Text

FILES_MAX = 1000


class NewRepository(Body):
    """A key `private` is ignored: every repository of this dialect begins as private."""

    namespace: Text
    name: Text
    description: Loose = None
    default_branch: Loose = None
    license: Loose = None


class NewAttributes(Body):
    """A `.gitattributes` in base64, for a branch that is made unless it is there."""

    content: Text
    branch: Loose = None
    new_branch: Loose = None
    message: Loose = None


class OfferedFile(Body):
    path: Text
    size: int


class Preupload(Body):
    files: Annotated[list[OfferedFile], Meta(max_length=FILES_MAX)]


class FileAction(Body):
    """`content` is base64; a deletion has none."""

    path: Text
    action: Literal["create", "update", "delete"]
    content: Text = ""


class Commit(Body):
    files: Annotated[list[FileAction], Meta(max_length=FILES_MAX)]
    message: Loose = None
