"""Collections of repositories, papers and other collections."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType, field

from hub.api.structs import Answer


class Owner(Answer, rename="camel", kw_only=True):
    row_id: str = field(name="_id")
    name: str
    fullname: str
    avatar_url: str
    type: Literal["org", "user"]
    is_pro: bool = False


class Note(Answer):
    text: str
    html: str


class Item(Answer, rename="camel", kw_only=True):
    """The fields of every item. `row_id` names the item, `id` the repository, paper or collection in it."""

    row_id: str = field(name="_id")
    type: str
    position: int
    note: Note | UnsetType = UNSET
    id: str


class RepositoryItem(Item, rename="camel", kw_only=True):
    repo_type: str
    author: str
    gated: str | Literal[False]
    private: bool
    last_modified: str
    downloads: int
    likes: int


class CollectionItem(Item, rename="camel", kw_only=True):
    slug: str
    title: str
    upvotes: int
    last_updated: str


class PaperItem(Item, rename="camel", kw_only=True):
    title: str
    upvotes: int = 0


AnyItem = RepositoryItem | CollectionItem | PaperItem


class Collection(Answer, rename="camel", kw_only=True):
    """`position` is left out of lists: the client passes its own beside it, and twice is an error."""

    row_id: str = field(name="_id")
    slug: str
    title: str
    description: str
    gating: bool = False
    last_updated: str
    owner: Owner
    items: list[AnyItem]
    theme: str
    private: bool
    upvotes: int
    is_upvoted_by_user: bool
    share_url: str
    position: int | UnsetType = UNSET


class CollectionTaken(Answer):
    """With `exists_ok` the client reads the slug from this very answer."""

    error: str
    slug: str


class Changed(Answer):
    success: bool
    data: Collection


class ItemChanged(Answer):
    success: bool
    data: AnyItem


class Upvotes(Answer):
    upvotes: int
