"""Hears the facts of other rooms and writes them down. Each runs in the transaction of its fact."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Model
from django.dispatch import receiver

from hub import operating
from hub.accounts import signals as accounts
from hub.accounts.models import Namespace, User, name_key
from hub.accounts.principals import Principal
from hub.audit.recording import record
from hub.repos import signals as repos
from hub.repos.models import AccessRequest, Repository


def _named(repository: Repository) -> str:
    return f"{repository.kind} {repository.full_name}"


@receiver(accounts.namespace_created)
def _namespace_created(namespace: Namespace, creator: User | None, **_: Any) -> None:
    actor = Principal(user=creator) if creator else None
    record(
        actor=actor,
        action="namespace_created",
        subject=f"{namespace.kind} {namespace.name}",
        namespace_id=namespace.pk,
    )


@receiver(accounts.namespace_renamed)
def _namespace_renamed(namespace: Namespace, old_name: str, actor: Principal, **_: Any) -> None:
    subject = f"{namespace.kind} {namespace.name}"
    record(
        actor=actor, action="namespace_renamed", subject=subject, namespace_id=namespace.pk, old_name=old_name
    )


@receiver(accounts.member_set)
def _member_set(organization: Namespace, user: User, role: str, actor: Principal, **_: Any) -> None:
    subject = f"organization {organization.name}"
    record(
        actor=actor,
        action="member_set",
        subject=subject,
        namespace_id=organization.pk,
        user=user.name,
        role=str(role),
    )


@receiver(accounts.member_removed)
def _member_removed(organization: Namespace, user: User, actor: Principal, **_: Any) -> None:
    subject = f"organization {organization.name}"
    record(
        actor=actor, action="member_removed", subject=subject, namespace_id=organization.pk, user=user.name
    )


@receiver(accounts.token_created)
def _token_created(user: User, label: str, scopes: list[str], actor: Principal, **_: Any) -> None:
    subject = f"user {user.name}"
    record(
        actor=actor,
        action="token_created",
        subject=subject,
        namespace_id=user.namespace_id,
        label=label,
        scopes=list(scopes),
    )


@receiver(accounts.token_revoked)
def _token_revoked(user: User, label: str, actor: Principal, **_: Any) -> None:
    record(
        actor=actor,
        action="token_revoked",
        subject=f"user {user.name}",
        namespace_id=user.namespace_id,
        label=label,
    )


@receiver(accounts.signed_in)
def _signed_in(user: User, address: str, **_: Any) -> None:
    actor = Principal(user=user)
    subject = f"user {user.name}"
    record(actor=actor, action="signed_in", subject=subject, namespace_id=user.namespace_id, address=address)


@receiver(accounts.sign_in_failed)
def _sign_in_failed(user: User, address: str, **_: Any) -> None:
    subject = f"user {user.name}"
    record(
        actor=None, action="sign_in_failed", subject=subject, namespace_id=user.namespace_id, address=address
    )


@receiver(accounts.ssh_key_added)
def _ssh_key_added(user: User, fingerprint: str, actor: Principal, **_: Any) -> None:
    record(
        actor=actor,
        action="ssh_key_added",
        subject=f"user {user.name}",
        namespace_id=user.namespace_id,
        fingerprint=fingerprint,
    )


@receiver(accounts.ssh_key_removed)
def _ssh_key_removed(user: User, fingerprint: str, actor: Principal, **_: Any) -> None:
    record(
        actor=actor,
        action="ssh_key_removed",
        subject=f"user {user.name}",
        namespace_id=user.namespace_id,
        fingerprint=fingerprint,
    )


@receiver(accounts.password_changed)
def _password_changed(user: User, actor: Principal, **_: Any) -> None:
    record(
        actor=actor, action="password_changed", subject=f"user {user.name}", namespace_id=user.namespace_id
    )


@receiver(repos.repository_created)
def _repository_created(repository: Repository, actor: Principal, **_: Any) -> None:
    visibility = "private" if repository.is_private else "public"
    record(
        actor=actor,
        action="repository_created",
        subject=_named(repository),
        namespace_id=repository.namespace_id,
        visibility=visibility,
    )


@receiver(repos.repository_moved)
def _repository_moved(repository: Repository, old_id: str, actor: Principal, **_: Any) -> None:
    """The admins of both namespaces may read it, so each has an entry."""
    before = Namespace.objects.filter(key=name_key(old_id.partition("/")[0])).first()
    concerned = {repository.namespace_id} | ({before.pk} if before is not None else set())
    for namespace_id in sorted(concerned):
        record(
            actor=actor,
            action="repository_moved",
            subject=_named(repository),
            namespace_id=namespace_id,
            old_id=old_id,
        )


@receiver(repos.repository_changed)
def _repository_changed(repository: Repository, actor: Principal, **more: Any) -> None:
    changed = sorted(more.get("fields", []))
    record(
        actor=actor,
        action="repository_changed",
        subject=_named(repository),
        namespace_id=repository.namespace_id,
        fields=changed,
    )


@receiver(repos.repository_deleted)
def _repository_deleted(repository: Repository, actor: Principal, **_: Any) -> None:
    record(
        actor=actor,
        action="repository_deleted",
        subject=_named(repository),
        namespace_id=repository.namespace_id,
    )


@receiver(repos.repository_restored)
def _repository_restored(repository: Repository, actor: Principal, **_: Any) -> None:
    record(
        actor=actor,
        action="repository_restored",
        subject=_named(repository),
        namespace_id=repository.namespace_id,
    )


@receiver(repos.access_request_handled)
def _access_request_handled(access_request: AccessRequest, actor: Principal, **_: Any) -> None:
    record(
        actor=actor,
        action="access_request_handled",
        subject=_named(access_request.repository),
        namespace_id=access_request.repository.namespace_id,
        user=access_request.user.name,
        status=str(access_request.status),
    )


@receiver(operating.changed)
def _changed_by_operator(row: Model, user: Any, fields: dict[str, str], **_: Any) -> None:
    _record_operator("operator_changed", row, user, fields=fields)


@receiver(operating.deleted)
def _deleted_by_operator(row: Model, user: Any, **_: Any) -> None:
    _record_operator("operator_deleted", row, user)


def _record_operator(action: str, row: Model, user: Any, **details: Any) -> None:
    namespace_id = row.pk if isinstance(row, Namespace) else getattr(row, "namespace_id", None)
    subject = _named(row) if isinstance(row, Repository) else f"{type(row).__name__.lower()} {row}"
    with transaction.atomic():
        record(
            actor=Principal(user=user), action=action, subject=subject, namespace_id=namespace_id, **details
        )
