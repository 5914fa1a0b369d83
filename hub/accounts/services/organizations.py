"""Organizations and their members."""

from __future__ import annotations

from django.db import transaction

from foundation.held_rows import held_row
from hub.accounts import policies
from hub.accounts.errors import LastAdmin, MemberNotFound, NameTaken
from hub.accounts.models import Membership, Namespace, Role, User, Visibility, name_key
from hub.accounts.principals import Principal
from hub.accounts.services.namespaces import Profile, insert_namespace, update_profile
from hub.accounts.signals import member_removed, member_set, namespace_created


def create_organization(
    *, actor: Principal, name: str, full_name: str = "", default_visibility: str = Visibility.PUBLIC
) -> Namespace:
    """Make an organization; its maker becomes its first admin.

    Raises: Unauthenticated, ScopeMissing, Denied (a fine-grained token), NameRefused, NameTaken,
    NameReserved.
    """
    policies.require_account_owner(actor)
    with transaction.atomic(durable=True):
        namespace = insert_namespace(
            actor=actor, name=name, kind=Namespace.Kind.ORGANIZATION, full_name=full_name
        )
        if default_visibility != namespace.default_visibility:
            namespace.default_visibility = Visibility(default_visibility)
            namespace.save(update_fields=["default_visibility"])
        if actor.user is not None:
            Membership.objects.create(organization=namespace, user=actor.user, role=Role.ADMIN)
        namespace_created.send(sender=Namespace, namespace=namespace, creator=actor.user)
    return namespace


def ensure_organization(*, actor: Principal, name: str, profile: Profile) -> tuple[Namespace, bool]:
    """An operator wants this organization to exist, with this profile. True: it was made now.

    Raises: Denied, NameRefused, NameTaken when the name is a user's.
    """
    policies.require_system(actor)
    namespace = Namespace.objects.filter(key=name_key(name)).first()
    if created := namespace is None:
        namespace = create_organization(actor=actor, name=name)
    if not namespace.is_organization:
        raise NameTaken(name=name)
    return update_profile(actor=actor, namespace=namespace, profile=profile), created


def ensure_member(*, actor: Principal, organization_name: str, user: User, role: Role) -> Membership:
    """An operator wants this membership; a missing organization is made.

    Raises: what `ensure_organization` and `set_member` raise.
    """
    organization, _ = ensure_organization(actor=actor, name=organization_name, profile=Profile())
    return set_member(actor=actor, organization=organization, user=user, role=role)


def set_member(*, actor: Principal, organization: Namespace, user: User, role: Role) -> Membership:
    """Add a member or change the role.

    Raises: Unauthenticated, NamespaceDenied, ScopeMissing, Denied (a fine-grained token), LastAdmin.
    """
    policies.require_account_admin(actor, organization)
    with transaction.atomic(durable=True):
        held_row(Namespace.objects.select_for_update().filter(pk=organization.pk))
        if role != Role.ADMIN:
            _require_other_admin(organization, user)
        membership, _ = Membership.objects.update_or_create(
            organization=organization, user=user, defaults={"role": role}
        )
        member_set.send(sender=Membership, organization=organization, user=user, role=role, actor=actor)
    return membership


def remove_member(*, actor: Principal, organization: Namespace, user: User) -> None:
    """By an admin, or by the member who leaves.

    Raises: Unauthenticated, NamespaceDenied, ScopeMissing, Denied (a fine-grained token), LastAdmin,
    MemberNotFound.
    """
    if actor.user_id != user.pk:
        policies.require_account_admin(actor, organization)
    policies.require_account_owner(actor)
    with transaction.atomic(durable=True):
        held_row(Namespace.objects.select_for_update().filter(pk=organization.pk))
        _require_other_admin(organization, user)
        removed, _ = Membership.objects.filter(organization=organization, user=user).delete()
        if not removed:
            raise MemberNotFound(user=user.name, organization=organization.name)
        member_removed.send(sender=Membership, organization=organization, user=user, actor=actor)


def _require_other_admin(organization: Namespace, user: User) -> None:
    admins = set(
        Membership.objects.filter(organization=organization, role=Role.ADMIN).values_list(
            "user_id", flat=True
        )
    )
    if admins == {user.pk}:
        raise LastAdmin(organization=organization.name)
