"""Names: their owners, their profiles, and renaming."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import transaction

from foundation.database.conflicts import duplicate_as
from foundation.errors import Invalid
from foundation.held_rows import held_row
from hub.accounts import policies
from hub.accounts.errors import NameReserved, NameTaken
from hub.accounts.models import Namespace, NamespaceRedirect, Role, name_key
from hub.accounts.names import require_namespace_name
from hub.accounts.principals import Principal
from hub.accounts.signals import namespace_renamed


def insert_namespace(*, actor: Principal, name: str, kind: Namespace.Kind, full_name: str = "") -> Namespace:
    """Step: take a name for a user or an organization. Raises: NameRefused, NameTaken, NameReserved."""
    require_namespace_name(name)
    key = name_key(name)
    if Namespace.objects.filter(key=key).exists():
        raise NameTaken(name=name)
    _release_former_name(actor, key, name)
    with duplicate_as(lambda: NameTaken(name=name)):
        return Namespace.objects.create(name=name, key=key, kind=kind, full_name=full_name)


def _release_former_name(actor: Principal, key: str, name: str, *, owner: Namespace | None = None) -> None:
    """Step: end the redirect of a former name so that the name can be used again.

    Clients keep old names in their configuration, and a new owner of such a name would serve them other
    files. So only an admin of the namespace that had the name (or the operator) may use it again; `owner` is
    the namespace that is about to use it. Raises: NameReserved.
    """
    redirect = NamespaceRedirect.objects.select_related("namespace").filter(key=key).first()
    if redirect is None:
        return
    is_own = owner is not None and redirect.namespace_id == owner.pk
    if not (is_own or actor.is_system or policies.has_role(actor, redirect.namespace, Role.ADMIN)):
        raise NameReserved(name=name)
    redirect.delete()


@dataclass(frozen=True, slots=True)
class Profile:
    """Profile fields of a user or an organization; None leaves a field as it is."""

    full_name: str | None = None
    details: str | None = None
    website: str | None = None
    default_visibility: str | None = None


def update_profile(*, actor: Principal, namespace: Namespace, profile: Profile) -> Namespace:
    """Raises: Unauthenticated, NamespaceDenied, ScopeMissing, Denied (a fine-grained token), Invalid."""
    policies.require_account_admin(actor, namespace)
    for field in ("full_name", "details", "website", "default_visibility"):
        value = getattr(profile, field)
        if value is not None:
            setattr(namespace, field, value)
    try:
        namespace.clean_fields()
    except ValidationError as error:
        raise Invalid(
            reason="; ".join(f"{k}: {' '.join(v)}" for k, v in error.message_dict.items())
        ) from None
    namespace.save(update_fields=["full_name", "details", "website", "default_visibility"])
    return namespace


def rename_namespace(*, actor: Principal, namespace: Namespace, name: str) -> Namespace:
    """Give a user or organization another name. The old name leads to it and stays reserved for its admins.

    Raises: Unauthenticated, NamespaceDenied, ScopeMissing, Denied (a fine-grained token), NameRefused,
    NameTaken, NameReserved.
    """
    policies.require_account_admin(actor, namespace)
    require_namespace_name(name)
    with transaction.atomic(durable=True):
        namespace = held_row(Namespace.objects.select_for_update().filter(pk=namespace.pk))
        old_name, old_key, key = namespace.name, namespace.key, name_key(name)
        if key != old_key:
            if Namespace.objects.filter(key=key).exists():
                raise NameTaken(name=name)
            _release_former_name(actor, key, name, owner=namespace)
            NamespaceRedirect.objects.create(key=old_key, namespace=namespace)
        namespace.name, namespace.key = name, key
        namespace.save(update_fields=["name", "key"])
        namespace_renamed.send(sender=Namespace, namespace=namespace, old_name=old_name, actor=actor)
    return namespace
