"""Reads of repositories. Everything here is already narrowed to what the actor may know of."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from foundation.database.compiled import CompiledQuery
from hub.accounts.models import NamespaceRedirect, Role, name_key
from hub.accounts.principals import Principal
from hub.repos import policies
from hub.repos.errors import NotRestorable, RepositoryNotFound
from hub.repos.models import AccessRequest, Collaborator, Repository, RepositoryRedirect


def _named(kind: str, namespace_key: str, key: str) -> QuerySet[Repository]:
    return (
        Repository.objects.live()
        .select_related("namespace")
        .filter(kind=kind, namespace__key=namespace_key, key=key)
    )


def _named_with_facts(kind: str, namespace_key: str, key: str) -> QuerySet[Repository]:
    return _named(kind, namespace_key, key).select_related("facts").defer("facts__text", "facts__headers")


_by_id, _by_id_with_facts = (
    CompiledQuery(build, kind="?kind", namespace_key="?namespace", key="?key")
    for build in (_named, _named_with_facts)
)


def get_repository(*, actor: Principal, kind: str, repo_id: str, with_facts: bool = True) -> Repository:
    """The repository under this id, in any letter case, or under an id it had before.

    If `full_name` differs from the requested id, the repository has moved. `with_facts`: load the facts in
    the same query. They hold the card and the list of all files, which serving a file does not need. Raises:
    RepositoryNotFound for the missing and the hidden alike.
    """
    repository = find_repository(kind=kind, repo_id=repo_id, with_facts=with_facts)
    if repository is None or not policies.can_see(actor, repository):
        raise RepositoryNotFound(repo_id=repo_id)
    return repository


def find_repository(*, kind: str, repo_id: str, with_facts: bool = True) -> Repository | None:
    """By id alone, without a check of permissions: for steps that check the actor themselves."""
    namespace_key, separator, key = name_key(repo_id).partition("/")
    if not separator or not namespace_key or not key or "/" in key:
        return None
    prepared = _by_id_with_facts if with_facts else _by_id
    found = prepared.first(kind=kind, namespace_key=namespace_key, key=key)
    if found is not None:
        return found
    live = Repository.objects.live().with_owner().filter(kind=kind)
    return (
        live.filter(
            pk__in=RepositoryRedirect.objects.filter(kind=kind, namespace_key=namespace_key, key=key).values(
                "repository_id"
            )
        ).first()
        or live.filter(
            namespace_id__in=NamespaceRedirect.objects.filter(key=namespace_key).values("namespace_id"),
            key=key,
        ).first()
    )


def has_moved(repository: Repository, repo_id: str) -> bool:
    """True if the requested id is a former id of the repository."""
    return name_key(repository.full_name) != name_key(repo_id)


def repositories(*, actor: Principal, kind: str | None = None) -> QuerySet[Repository]:
    """All that the actor may know of, unordered, with the owner loaded."""
    found = Repository.objects.live().with_owner().filter(policies.readable_by(actor))
    return found.filter(kind=kind) if kind else found


def restorable(*, actor: Principal) -> QuerySet[Repository]:
    """Deleted repositories whose grace period has not ended, in namespaces that the actor administers.

    A fine-grained token reaches those of namespaces that it was granted as a whole.
    """
    admin = [
        pk
        for pk, role in actor.roles.items()
        if role == Role.ADMIN and actor.is_granted(namespace_id=pk, repository_id=None, write=False)
    ]
    return (
        Repository.objects.exclude(deleted_at=None)
        .filter(namespace_id__in=admin)
        .with_owner()
        .order_by("-deleted_at")
    )


def get_restorable(*, actor: Principal, pk: int) -> Repository:
    """Raises: NotRestorable, also for what the actor does not administer."""
    found = restorable(actor=actor).filter(pk=pk).first()
    if found is None:
        raise NotRestorable(repo_id=pk)
    return found


def access_requests(
    *, actor: Principal, repository: Repository, status: str | None = None
) -> QuerySet[AccessRequest]:
    """Raises: RepositoryDenied and what `require_role` raises."""
    policies.require_role(actor, repository, Role.WRITE)
    found = repository.access_requests.select_related("user__namespace", "granted_by__namespace")
    return (found.filter(status=status) if status else found).order_by("-requested_at", "-id")


def collaborators(repository: Repository) -> QuerySet[Collaborator]:
    return repository.collaborators.select_related("user__namespace").order_by("user__namespace__key")


def by_ids(*, actor: Principal, ids: Iterable[int]) -> dict[int, Repository]:
    return {found.pk: found for found in repositories(actor=actor).filter(pk__in=list(ids))}
