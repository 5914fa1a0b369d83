"""The answers to git-lfs and its relatives (docs/wire/git.md)."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from hub.api.structs import Answer


class Action(Answer):
    """The address to send or fetch an object. `expires_in` is in seconds.

    For an upload in parts `header` has the addresses of the parts, by their numbers, and `chunk_size`.
    """

    href: str
    header: dict[str, str]
    expires_in: int


class Actions(Answer):
    upload: Action | UnsetType = UNSET
    download: Action | UnsetType = UNSET
    verify: Action | UnsetType = UNSET


class ObjectError(Answer):
    code: int
    message: str


class Object(Answer):
    """One object of a batch. Without `actions` and `error` it is stored already."""

    oid: str
    size: int
    error: ObjectError | UnsetType = UNSET
    authenticated: bool | UnsetType = UNSET
    actions: Actions | UnsetType = UNSET


class Batch(Answer):
    transfer: Literal["basic", "multipart", "xet"]
    objects: list[Object]
    hash_algo: Literal["sha256"] = "sha256"


class Stored(Answer):
    oid: str
    size: int


class Refused(Answer):
    """git-lfs prints `message`, Python clients `error`."""

    message: str
    error: str
