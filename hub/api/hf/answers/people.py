"""Accounts, people, organizations and likes."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType, field

from hub.api.hf.answers.common import RepositoryName
from hub.api.structs import Answer


class AccessToken(Answer, rename="camel"):
    display_name: str
    role: Literal["fineGrained", "write", "read"]
    created_at: str


class Credentials(Answer, rename="camel"):
    """`accessToken` is there where the call was made with one."""

    type: Literal["session", "access_token"]
    access_token: AccessToken | UnsetType = UNSET


class OwnOrganization(Answer, rename="camel"):
    type: Literal["org"]
    id: str
    name: str
    fullname: str
    email: str | None
    is_enterprise: bool
    can_pay: bool
    period_end: int | None
    avatar_url: str
    role_in_org: str


class WhoAmI(Answer, rename="camel"):
    type: Literal["user"]
    id: str
    name: str
    fullname: str
    email: str | None
    email_verified: bool
    is_pro: bool
    can_pay: bool
    period_end: int | None
    avatar_url: str
    orgs: list[OwnOrganization]
    auth: Credentials


class User(Answer, rename="camel", kw_only=True):
    row_id: str = field(name="_id")
    user: str
    fullname: str
    avatar_url: str
    is_pro: bool = False
    type: Literal["user"] = "user"


class Member(User, kw_only=True):
    role: str


class Organization(Answer, rename="camel", kw_only=True):
    row_id: str = field(name="_id")
    name: str
    fullname: str
    avatar_url: str
    is_verified: bool
    type: Literal["org"] = "org"


class UserOverview(User, rename="camel", kw_only=True):
    details: str
    created_at: str
    is_following: bool
    num_models: int
    num_datasets: int
    num_spaces: int
    num_kernels: int
    num_discussions: int
    num_papers: int = 0
    num_upvotes: int
    num_likes: int
    num_following: int
    num_followers: int
    orgs: list[Organization]


class OrganizationOverview(Organization, rename="camel", kw_only=True):
    details: str
    is_following: bool
    num_users: int
    num_models: int
    num_datasets: int
    num_spaces: int
    num_kernels: int
    num_followers: int
    num_papers: int = 0
    plan: str | None = None


class Following(Answer, rename="camel"):
    is_following: bool


class StoredRepository(Answer, rename="camel"):
    """`storage` is in bytes, `storagePercent` a share of the owner's limit; 0 where there is no limit."""

    id: str
    type: str
    updated_at: str
    visibility: str
    storage: int
    storage_percent: float


class Liker(Answer, rename="camel", kw_only=True):
    user: str
    fullname: str
    avatar_url: str
    type: Literal["user"] = "user"
    is_pro: bool = False


class Like(Answer, rename="camel"):
    created_at: str
    repo: RepositoryName


class Message(Answer):
    message: str


class CardChecked(Answer):
    """The client parses both lists before it looks at the status."""

    errors: list[Message]
    warnings: list[Message]
