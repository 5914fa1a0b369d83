"""Use cases of the repository record: create, rename, settings, delete, restore."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from foundation.database.conflicts import duplicate_as
from foundation.errors import Invalid
from foundation.held_rows import held_row
from hub import gitstore
from hub.accounts import policies as account_policies
from hub.accounts import selectors as accounts
from hub.accounts.models import Namespace, NamespaceRedirect, Role, User, Visibility, name_key
from hub.accounts.principals import Principal
from hub.gitstore.paths import require_ref_name
from hub.repos import attributes, locking, policies, quotas
from hub.repos.errors import NotRestorable, RepositoryExists, RepositoryNameReserved, RepositoryNameTaken
from hub.repos.locking import LockedRepository
from hub.repos.models import Collaborator, Gating, Kind, Repository, RepositoryRedirect
from hub.repos.names import split_repo_id
from hub.repos.signals import (
    repository_changed,
    repository_created,
    repository_deleted,
    repository_moved,
    repository_restored,
)

INITIAL_COMMIT = "initial commit"
DESCRIPTION_CHARS_MAX = 2000
BRANCH_CHARS_MAX = 200


def git_author(actor: Principal) -> gitstore.Author:
    """The author of a commit that is made through the hub. Real e-mail addresses are not published."""
    name = actor.name or "Model Bazaar"
    return gitstore.Author(name=name, email=f"{name}@users.noreply.localhost")


@dataclass(frozen=True, slots=True)
class NewRepository:
    """`visibility` None means the namespace's default; `files` are added to the first commit."""

    kind: str
    repo_id: str
    visibility: str | None = None
    description: str = ""
    files: Mapping[str, bytes] | None = None
    default_branch: str = "main"
    gating: str = Gating.OPEN.value


def create_repository(*, actor: Principal, request: NewRepository, now: datetime) -> Repository:
    """Make a repository with its first commit.

    Raises: Unauthenticated, NamespaceNotFound, NamespaceDenied, NameRefused, RepositoryExists,
    RepositoryQuotaExceeded, Invalid.
    """
    require_creatable(actor=actor, request=request)
    storage = uuid.uuid4().hex
    head = gitstore.create_repository(
        storage,
        default_branch=request.default_branch,
        files={".gitattributes": attributes.initial(request.kind), **(request.files or {})},
        message=INITIAL_COMMIT,
        author=git_author(actor),
        at=now,
    )
    try:
        with transaction.atomic(durable=True):
            repository = insert_repository(actor=actor, request=request, storage=storage, head=head, now=now)
            repository_created.send(sender=Repository, repository=repository, actor=actor)
    except Exception:
        gitstore.delete_repository(storage)
        raise
    return repository


def require_creatable(*, actor: Principal, request: NewRepository) -> Namespace:
    """Step: look whether it may be made, before anything is; gives its owner. Raises as the use case does."""
    if request.kind not in Kind.values:
        raise Invalid(reason=f"There is no repository type “{request.kind}”.")
    if request.gating not in Gating.values:
        raise Invalid(reason=f"There is no gating “{request.gating}”.")
    require_ref_name(request.default_branch, what="branch")
    if len(request.default_branch) > BRANCH_CHARS_MAX:
        raise Invalid(
            reason=_("The name of a default branch has at most {limit} characters.").format(
                limit=BRANCH_CHARS_MAX
            )
        )
    _require_description(request.description)
    owner, name = split_repo_id(request.repo_id)
    namespace = accounts.get_namespace(owner)
    account_policies.require_role(actor, namespace, Role.CONTRIBUTOR)
    _require_free(namespace, request.kind, name)
    quotas.require_room_for_repository(namespace)
    return namespace


def insert_repository(
    *, actor: Principal, request: NewRepository, storage: str, head: str, now: datetime
) -> LockedRepository:
    """Step: the row of a repository whose git folder is whole. The caller announces it, and removes the
    folder should the transaction fail.

    Raises: NamespaceNotFound, RepositoryExists, RepositoryNameReserved, RepositoryQuotaExceeded.
    """
    owner, name = split_repo_id(request.repo_id)
    pk = accounts.get_namespace(owner).pk
    namespace = held_row(Namespace.objects.select_for_update(no_key=True).filter(pk=pk))
    quotas.require_room_for_repository(namespace)
    key = name_key(name)
    _release_former_id(actor, namespace, request.kind, name)
    repo_id = f"{namespace.name}/{name}"
    with duplicate_as(lambda: RepositoryExists(kind=request.kind, repo_id=repo_id)):
        made = Repository.objects.create(
            kind=request.kind,
            namespace=namespace,
            name=name,
            key=key,
            full_name=repo_id,
            storage=storage,
            visibility=Visibility(request.visibility or namespace.default_visibility),
            gating=request.gating,
            description=request.description,
            default_branch=request.default_branch,
            head_sha=head,
            created_by=actor.user,
            created_at=now,
            updated_at=now,
        )
    return LockedRepository(made)


def _require_free(
    namespace: Namespace,
    kind: str,
    name: str,
    *,
    besides: Repository | None = None,
    refusal: type[RepositoryExists] = RepositoryExists,
) -> None:
    """Raises: `refusal`."""
    taken = Repository.objects.live().filter(namespace=namespace, kind=kind, key=name_key(name))
    if besides is not None:
        taken = taken.exclude(pk=besides.pk)
    if taken.exists():
        raise refusal(kind=kind, repo_id=f"{namespace.name}/{name}")


def _release_former_id(
    actor: Principal, namespace: Namespace, kind: str, name: str, *, owner: Repository | None = None
) -> None:
    """Step: end the redirect of a former id so that the id can be used again.

    Clients keep old ids in their configuration: a new repository there serves them other files. So only
    an admin of the namespace may use such an id again; `owner` is the repository that is about to use it.
    Raises: RepositoryNameReserved.
    """
    redirect = RepositoryRedirect.objects.filter(
        kind=kind, namespace_key=namespace.key, key=name_key(name)
    ).first()
    if redirect is None:
        return
    is_own = owner is not None and redirect.repository_id == owner.pk
    if not (is_own or account_policies.has_role(actor, namespace, Role.ADMIN)):
        raise RepositoryNameReserved(repo_id=f"{namespace.name}/{name}")
    redirect.delete()


def move_repository(*, actor: Principal, repository: Repository, to: str) -> Repository:
    """Rename, or transfer to another namespace. The old id redirects and stays reserved for its admins.

    Raises: RepositoryDenied, NamespaceDenied, NamespaceNotFound, NameRefused, RepositoryNameTaken,
    RepositoryNameReserved, RepositoryQuotaExceeded.
    """
    policies.require_role(actor, repository, Role.ADMIN)
    owner, name = split_repo_id(to)
    target = accounts.get_namespace(owner)
    if target.pk != repository.namespace_id:
        account_policies.require_role(actor, target, Role.CONTRIBUTOR)
    with transaction.atomic(durable=True):
        target = held_row(Namespace.objects.select_for_update(no_key=True).filter(pk=target.pk))
        if target.pk != repository.namespace_id:
            quotas.require_room_for_repository(target)
            quotas.require_room_for_bytes(target, repository.size_bytes)
        repository = locking.lock_repository(repository.pk)
        _require_free(target, repository.kind, name, besides=repository, refusal=RepositoryNameTaken)
        old_id, key = repository.full_name, name_key(name)
        old_keys = (repository.namespace.key, repository.key)
        _release_former_id(actor, target, repository.kind, name, owner=repository)
        if old_keys != (target.key, key):
            RepositoryRedirect.objects.update_or_create(
                kind=repository.kind,
                namespace_key=old_keys[0],
                key=old_keys[1],
                defaults={"repository": repository},
            )
        repository.namespace, repository.name, repository.key = target, name, key
        repository.full_name = f"{target.name}/{name}"
        repository.save(update_fields=["namespace", "name", "key", "full_name"])
        repository_moved.send(sender=Repository, repository=repository, old_id=old_id, actor=actor)
    return repository


@dataclass(frozen=True, slots=True)
class Settings:
    """Fields that an owner may change; None leaves a field as it is."""

    visibility: str | None = None
    gating: str | None = None
    discussions_disabled: bool | None = None
    is_archived: bool | None = None
    description: str | None = None


def change_settings(*, actor: Principal, repository: Repository, change: Settings) -> Repository:
    """Raises: RepositoryDenied and what `require_role` raises, Invalid."""
    policies.require_role(actor, repository, Role.ADMIN)
    if change.visibility is not None and change.visibility not in Visibility.values:
        raise Invalid(reason="visibility is public or private.")
    if change.gating is not None and change.gating not in Gating.values:
        raise Invalid(reason="gated is auto, manual or false.")
    if change.description is not None:
        _require_description(change.description)
    fields = ("visibility", "gating", "discussions_disabled", "is_archived", "description")
    with transaction.atomic(durable=True):
        repository = locking.lock_repository(repository.pk)
        changed = []
        for field in fields:
            value = getattr(change, field)
            if value is not None and value != getattr(repository, field):
                setattr(repository, field, value)
                changed.append(field)
        if changed:
            repository.save(update_fields=changed)
            repository_changed.send(sender=Repository, repository=repository, actor=actor, fields=changed)
    return repository


def _require_description(text: str) -> None:
    if len(text) > DESCRIPTION_CHARS_MAX or "\0" in text:
        raise Invalid(
            reason=_("A description has at most {limit} characters, none of them NUL.").format(
                limit=DESCRIPTION_CHARS_MAX
            )
        )


def delete_repository(*, actor: Principal, repository: Repository, now: datetime) -> None:
    """Take the repository away; its name is free at once, and its admins can restore it for a time.

    Raises: RepositoryDenied and what `require_role` raises.
    """
    policies.require_role(actor, repository, Role.ADMIN)
    with transaction.atomic(durable=True):
        repository = locking.lock_repository(repository.pk)
        if repository.deleted_at is not None:
            return
        repository.deleted_at, repository.deleted_by = now, actor.user
        repository.save(update_fields=["deleted_at", "deleted_by"])
        RepositoryRedirect.objects.filter(repository=repository).delete()
        repository_deleted.send(sender=Repository, repository=repository, actor=actor)


def restore_repository(
    *, actor: Principal, repository: Repository, name: str | None = None, now: datetime
) -> Repository:
    """Bring a deleted repository back, under its old or another name in the same namespace.

    Raises: NotRestorable, NamespaceDenied, NameRefused, RepositoryNameTaken, RepositoryQuotaExceeded.
    """
    account_policies.require_role(actor, repository.namespace, Role.ADMIN)
    name = name or repository.name
    split_repo_id(f"{repository.namespace.name}/{name}")
    with transaction.atomic(durable=True):
        namespace = held_row(
            Namespace.objects.select_for_update(no_key=True).filter(pk=repository.namespace_id)
        )
        repository = locking.lock_repository(repository.pk)
        if repository.deleted_at is None or repository.deleted_at < now - timedelta(
            days=settings.REPOSITORY_RESTORE_DAYS
        ):
            raise NotRestorable(repo_id=repository.full_name)
        quotas.require_room_for_repository(namespace)
        _require_free(namespace, repository.kind, name, refusal=RepositoryNameTaken)
        _release_former_id(actor, namespace, repository.kind, name, owner=repository)
        repository.deleted_at = repository.deleted_by = None
        repository.name, repository.key = name, name_key(name)
        repository.full_name = f"{namespace.name}/{name}"
        repository.save(update_fields=["deleted_at", "deleted_by", "name", "key", "full_name"])
        repository_restored.send(sender=Repository, repository=repository, actor=actor)
    return repository


def set_collaborator(*, actor: Principal, repository: Repository, user: User, role: Role | None) -> None:
    """Give a user a role in one repository, or take it away (None).

    The role outlives the credentials that gave it, so a fine-grained token cannot give one.
    Raises: RepositoryDenied and what `require_role` raises, ScopeMissing, Denied (a fine-grained token).
    """
    policies.require_role(actor, repository, Role.ADMIN)
    account_policies.require_account_owner(actor)
    if role is None:
        Collaborator.objects.filter(repository=repository, user=user).delete()
    else:
        Collaborator.objects.update_or_create(repository=repository, user=user, defaults={"role": role})


def follow_namespace_rename(*, namespace: Namespace) -> None:
    """Step: bring the ids of a renamed namespace's repositories up to date."""
    for repository in Repository.objects.filter(namespace=namespace).only("pk", "name"):
        Repository.objects.filter(pk=repository.pk).update(full_name=f"{namespace.name}/{repository.name}")
    NamespaceRedirect.objects.filter(key=namespace.key).delete()
