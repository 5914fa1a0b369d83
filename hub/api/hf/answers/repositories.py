"""Repositories come, change and go; access to gated ones."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from hub.api.structs import Answer


class Described(Answer):
    url: str
    name: str
    id: str


class RepositoryTaken(Answer):
    """With `exist_ok` the client reads the address from this very answer."""

    error: str
    url: str
    name: str
    id: str


class Duplicated(Described, rename="camel"):
    files_copy_pending: bool


class Settings(Answer, rename="camel"):
    private: bool
    visibility: str
    gated: str | Literal[False]
    discussions_disabled: bool


class Asker(Answer):
    """`email` is null for a person who was let in without having asked."""

    row_id: str = field(name="_id")
    user: str
    fullname: str
    email: str | None
    type: Literal["user"] = "user"


class Granter(Answer):
    user: str


class AccessRequest(Answer, rename="camel"):
    """`fields` is what was filled in where access was asked for."""

    request_id: str
    user: Asker
    status: str
    timestamp: str
    fields: dict[str, str] | None
    rejection_reason: str | None
    granted_by: Granter | None


class AccessAsked(Answer, rename="camel"):
    status: str
    request_id: str


class AccessHandled(Answer):
    success: bool
    status: str


class MayDo(Answer):
    ok: bool
