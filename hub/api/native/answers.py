"""The answers of this API: a struct for each, made from the rows of the hub's rooms."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Self

from msgspec import UNSET, Meta, UnsetType

from foundation.answers import Answer, shown
from hub.accounts.models import AccessToken, Membership, Namespace, Role, SshKey, User, Visibility
from hub.accounts.principals import Principal
from hub.audit.models import AuditEntry
from hub.community.models import Notification, Watch
from hub.repos.models import Collaborator, Kind, Repository
from hub.repos.policies import can_see
from hub.xet.selectors import Usage


def _words(choices: Iterable[Any]) -> list[str]:
    return [str(choice) for choice in choices]


When = Annotated[datetime, shown("2026-07-01T12:00:00Z", "UTC.")]
UserName = Annotated[str, shown("ada")]
FullName = Annotated[str, shown("Ada Lovelace")]
Website = Annotated[str, shown("https://example.org/")]
RoleWord = Annotated[str, shown("write", words=_words(Role.values))]
VisibilityWord = Annotated[str, shown("public", words=_words(Visibility.values))]
KindWord = Annotated[str, shown("model", words=_words(Kind.values))]
RepoId = Annotated[str, shown("ada/speech")]
ScopeWord = Annotated[str, shown("write", words=_words(AccessToken.Scope.values))]


class Refused(Answer, kw_only=True):
    """Every answer that is not a success."""

    error: Annotated[str, shown("There is no user nobody.", "A sentence for people.")]
    code: Annotated[str, shown("user_not_found", "A word for programs.")]
    details: (
        Annotated[dict[str, str], shown({"name": "nobody"}, "What the sentence says, for programs.")]
        | UnsetType
    ) = UNSET
    fields: (
        Annotated[dict[str, Any], shown({"name": ["This field is required."]}, "What is wrong, by field.")]
        | UnsetType
    ) = UNSET


# ---- accounts ------------------------------------------------------------------------------------


class NamespaceShape(Answer):
    """A user's or an organization's name and profile."""

    name: Annotated[str, shown("acme")]
    kind: Annotated[str, shown("organization", words=_words(Namespace.Kind.values))]
    full_name: Annotated[str, shown("Acme Labs")]
    details: str
    website: Website
    is_verified: bool
    created_at: When

    @classmethod
    def of(cls, namespace: Namespace) -> Self:
        return cls(
            name=namespace.name,
            kind=namespace.kind,
            full_name=namespace.full_name,
            details=namespace.details,
            website=namespace.website,
            is_verified=namespace.is_verified,
            created_at=namespace.created_at,
        )


class UserShape(Answer):
    """The caller's own profile."""

    name: UserName
    full_name: FullName
    email: Annotated[str, shown("ada@example.org")]
    details: str
    website: Website
    is_staff: bool
    created_at: When

    @classmethod
    def of(cls, user: User) -> Self:
        namespace = user.namespace
        return cls(
            name=user.name,
            full_name=namespace.full_name,
            email=user.email,
            details=namespace.details,
            website=namespace.website,
            is_staff=user.is_staff,
            created_at=user.created_at,
        )


class OrganizationOfUser(Answer):
    """An organization and the caller's role in it."""

    name: Annotated[str, shown("acme")]
    full_name: Annotated[str, shown("Acme Labs")]
    role: RoleWord

    @classmethod
    def of(cls, membership: Membership) -> Self:
        organization = membership.organization
        return cls(name=organization.name, full_name=organization.full_name, role=membership.role)


class Session(Answer):
    """The caller, and the scopes of the credentials. `user` null: nobody is signed in."""

    user: UserShape | None
    organizations: list[OrganizationOfUser]
    scopes: list[ScopeWord]
    is_fine_grained: bool


class Quota(Answer):
    """Of a namespace; a limit of 0 is none."""

    storage_used_bytes: Annotated[int, shown(1_048_576)]
    storage_limit_bytes: Annotated[int, shown(0)]
    repositories_used: Annotated[int, shown(3)]
    repositories_limit: Annotated[int, shown(100)]


class Storage(Answer):
    """Of a repository's large files."""

    logical_bytes: Annotated[int, shown(2_097_152)]
    stored_bytes: Annotated[int, shown(1_048_576)]
    ratio: Annotated[float, shown(2.0, "Logical bytes for one stored byte.")]

    @classmethod
    def of(cls, usage: Usage) -> Self:
        return cls(logical_bytes=usage.logical_bytes, stored_bytes=usage.stored_bytes, ratio=usage.ratio)


# ---- tokens --------------------------------------------------------------------------------------


class GrantShape(Answer):
    """A place that a fine-grained token reaches."""

    namespace: Annotated[str, shown("acme")]
    repository: (
        Annotated[
            str,
            shown(
                "acme/speech",
                "null: the whole namespace; empty: a repository that the user cannot see any more.",
            ),
        ]
        | None
    )
    can_write: bool

    @classmethod
    def of(cls, grant: Any, actor: Principal) -> Self:
        """The id of a repository that the actor cannot see is left empty: it may have another name now."""
        found = grant.repository
        repository = None if found is None else found.full_name if can_see(actor, found) else ""
        return cls(namespace=grant.namespace.name, repository=repository, can_write=grant.can_write)


class TokenShape(Answer, kw_only=True):
    """An access token, without its text."""

    id: Annotated[int, shown(7)]
    name: Annotated[str, shown("laptop")]
    hint: Annotated[str, shown("x4Qz", "The last characters of its text.")]
    scopes: list[ScopeWord]
    is_fine_grained: bool
    grants: list[GrantShape]
    spend_cap_micros: Annotated[int, shown(5_000_000, "The most it may spend in all, micro-credits.")] | None
    expires_at: When | None
    last_used_at: When | None
    created_at: When

    @classmethod
    def of(cls, token: AccessToken, actor: Principal) -> Self:
        return cls(
            id=token.pk,
            name=token.name,
            hint=token.hint,
            scopes=token.scopes,
            is_fine_grained=token.is_fine_grained,
            grants=[GrantShape.of(grant, actor) for grant in token.grants.all()],
            spend_cap_micros=token.spend_cap_micros,
            expires_at=token.expires_at,
            last_used_at=token.last_used_at,
            created_at=token.created_at,
        )


class CreatedToken(TokenShape, kw_only=True):
    """A new token with its text."""

    secret: Annotated[str, shown("hf_…", "The token itself. It is shown this once.")]


class SshKeyShape(Answer):
    """A public key with which its user logs in to leases."""

    id: Annotated[int, shown(4)]
    name: Annotated[str, shown("laptop")]
    kind: Annotated[str, shown("ssh-ed25519")]
    fingerprint: Annotated[str, shown("SHA256:…")]
    last_used_at: When | None
    created_at: When

    @classmethod
    def of(cls, key: SshKey) -> Self:
        return cls(
            id=key.pk,
            name=key.name,
            kind=key.kind,
            fingerprint=key.fingerprint,
            last_used_at=key.last_used_at,
            created_at=key.created_at,
        )


# ---- organizations and repositories --------------------------------------------------------------


class MemberShape(Answer):
    """A member of an organization."""

    name: UserName
    full_name: FullName
    role: RoleWord
    created_at: When

    @classmethod
    def of(cls, membership: Membership) -> Self:
        user = membership.user
        return cls(
            name=user.name,
            full_name=user.namespace.full_name,
            role=membership.role,
            created_at=membership.created_at,
        )


class DeletedRepository(Answer):
    """A deleted repository that can still be restored."""

    id: Annotated[int, shown(12)]
    kind: KindWord
    repo_id: RepoId
    visibility: VisibilityWord
    size_bytes: Annotated[int, shown(1_048_576)]
    deleted_at: When | None

    @classmethod
    def of(cls, repository: Repository) -> Self:
        return cls(
            id=repository.pk,
            kind=repository.kind,
            repo_id=repository.full_name,
            visibility=repository.visibility,
            size_bytes=repository.size_bytes,
            deleted_at=repository.deleted_at,
        )


class RepositoryShape(Answer):
    kind: KindWord
    repo_id: RepoId
    visibility: VisibilityWord
    is_archived: bool
    created_at: When
    updated_at: When

    @classmethod
    def of(cls, repository: Repository) -> Self:
        return cls(
            kind=repository.kind,
            repo_id=repository.full_name,
            visibility=repository.visibility,
            is_archived=repository.is_archived,
            created_at=repository.created_at,
            updated_at=repository.updated_at,
        )


class CollaboratorShape(Answer):
    """A user's role in one repository."""

    name: UserName
    role: RoleWord
    created_at: When

    @classmethod
    def of(cls, collaborator: Collaborator) -> Self:
        return cls(name=collaborator.user.name, role=collaborator.role, created_at=collaborator.created_at)


# ---- notifications and watches -------------------------------------------------------------------


class NotificationShape(Answer):
    """A discussion or pull request in which something is new."""

    id: Annotated[int, shown(31)]
    kind: KindWord
    repo_id: RepoId
    number: Annotated[int, shown(2)]
    title: Annotated[str, shown("Add a licence")]
    is_pull_request: bool
    reason: Annotated[str, shown("mention", words=_words(Notification.Reason.values))]
    is_read: bool
    updated_at: When

    @classmethod
    def of(cls, notification: Notification) -> Self:
        discussion = notification.discussion
        return cls(
            id=notification.pk,
            kind=discussion.repository.kind,
            repo_id=discussion.repository.full_name,
            number=discussion.number,
            title=discussion.title,
            is_pull_request=discussion.is_pull_request,
            reason=notification.reason,
            is_read=notification.is_read,
            updated_at=notification.updated_at,
        )


class Notifications(Answer):
    items: list[NotificationShape]
    next: Annotated[int, shown(30, "Give it as `before` for the next page.")] | None
    unread: Annotated[int, shown(3)]


class Marked(Answer):
    changed: Annotated[int, shown(2)]


class Watched(Answer):
    """`user` and `org` have a name, the kinds of repositories an id."""

    type: Annotated[str, shown("model", words=["user", "org", *_words(Kind.values)])]
    name: Annotated[str, shown("ada/speech")]

    @classmethod
    def of(cls, watch: Watch) -> Self:
        if watch.repository is not None:
            return cls(type=watch.repository.kind, name=watch.repository.full_name)
        assert watch.namespace is not None
        return cls(type="org" if watch.namespace.is_organization else "user", name=watch.namespace.name)


class AuditItem(Answer):
    """One thing that somebody did."""

    position: Annotated[int, shown(512, "Its place in the log: give it as `after` for what follows.")]
    digest: Annotated[str, shown("9f" * 32, "Of this entry and all before it.")]
    at: When
    actor: Annotated[str, shown("ada", "`system` for commands and jobs; empty without a user.")]
    action: Annotated[str, shown("repository_deleted")]
    subject: Annotated[str, shown("model ada/speech")]
    namespace_id: Annotated[int, shown(7, "The namespace that it concerns.")] | None
    details: dict[str, Any]
    request_id: Annotated[str, shown("7ee72fdd26e34af8", "The `X-Request-Id` of the request.")]

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        return cls(
            position=entry.position or 0,
            digest=entry.digest,
            at=entry.at,
            actor=entry.actor,
            action=entry.action,
            subject=entry.subject,
            namespace_id=entry.namespace_id,
            details=entry.details,
            request_id=entry.request_id,
        )


class AuditLog(Answer):
    items: list[AuditItem]


class Statistics(Answer):
    """Counts over everything that is public."""

    users: Annotated[int, shown(12)]
    organizations: Annotated[int, shown(3)]
    repositories: Annotated[dict[str, int], Meta(description="By kind.", examples=[{"model": 40}])]
    downloads_total: Annotated[int, shown(1234)]
    likes: Annotated[int, shown(56)]
    discussions: Annotated[int, shown(7)]
    collections: Annotated[int, shown(2)]
