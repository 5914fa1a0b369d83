"""The bodies that this dialect takes (docs/wire/modelscope.md#calls)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from hub.api.structs import Body, Loose, Text
from hub.lfs.services import BATCH_MAX


class Login(Body):
    access_token: Text = field(name="AccessToken")


class NewRepository(Body, kw_only=True):
    """Models come as JSON, datasets as a form, whose values are texts. `Owner` is an older `Path`."""

    path: Loose = field(name="Path", default=None)
    owner: Loose = field(name="Owner", default=None)
    name: str = field(name="Name")
    visibility: Loose = field(name="Visibility", default=None)
    protected_mode: Loose = field(name="ProtectedMode", default=None)
    description: Loose = field(name="Description", default=None)


class NewTag(Body):
    name: Text = field(name="TagName")
    ref: Text = field(name="Ref", default="")


class WantedObject(Body):
    """Both are checked by the room of large objects."""

    oid: Loose = None
    size: Loose = None


class Batch(Body):
    objects: Annotated[list[WantedObject], Meta(max_length=BATCH_MAX)]


class Action(Body):
    """A file that is written or deleted. With `type` “lfs” its content was sent before, under `sha256`."""

    action: Literal["create", "update", "delete"]
    path: Text
    type: Loose = None
    sha256: Loose = None
    size: Loose = None
    content: Text = ""
    encoding: Loose = None


class Commit(Body):
    """The number of actions is limited by the call itself, with a refusal of its own."""

    actions: list[Action]
    commit_message: Text = "Update files"
