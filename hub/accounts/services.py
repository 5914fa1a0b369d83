"""Use cases of accounts: sign up, sign in, organizations, members, tokens."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from hub.accounts import policies, selectors
from hub.accounts.errors import (
    BadCredentials,
    EmailTaken,
    LastAdmin,
    MemberNotFound,
    NameTaken,
    SignUpClosed,
    TokenNotFound,
    TokenTaken,
    WeakPassword,
)
from hub.accounts.models import (
    AccessToken,
    Membership,
    Namespace,
    NamespaceRedirect,
    Role,
    TokenGrant,
    User,
    Visibility,
    name_key,
)
from hub.accounts.names import require_namespace_name
from hub.accounts.principals import Principal
from hub.accounts.signals import (
    member_removed,
    member_set,
    namespace_created,
    namespace_renamed,
    password_changed,
    token_created,
    token_revoked,
)
from hub.accounts.throttling import SignInThrottle
from hub.errors import Invalid

TOKEN_PREFIX = "mbz_"  # noqa: S105 - a prefix that secret scanners can look for, not a secret
TOKENS_MAX = 100
SECRET_CHARS_MIN = 8
GIVEN_TOKEN_NAME = "given by the operator"  # noqa: S105 - a label


def _insert_namespace(*, name: str, kind: Namespace.Kind, full_name: str = "") -> Namespace:
    require_namespace_name(name)
    key = name_key(name)
    if Namespace.objects.filter(key=key).exists():
        raise NameTaken(name=name)
    NamespaceRedirect.objects.filter(key=key).delete()
    try:
        with transaction.atomic():
            return Namespace.objects.create(name=name, key=key, kind=kind, full_name=full_name)
    except IntegrityError:
        raise NameTaken(name=name) from None


def create_user(
    *, name: str, password: str | None = None, email: str = "", full_name: str = "", is_staff: bool = False
) -> User:
    """Make a user and the namespace of the same name. Without a password only tokens sign in.

    Raises: NameRefused, NameTaken, EmailTaken, WeakPassword, Invalid (the e-mail address).
    """
    _require_email(email)
    with transaction.atomic(durable=True):
        namespace = _insert_namespace(name=name, kind=Namespace.Kind.USER, full_name=full_name)
        user = User(namespace=namespace, email=email, is_staff=is_staff, is_superuser=is_staff)
        if password is None:
            user.set_unusable_password()
        else:
            require_strong(password, user=user)
            user.set_password(password)
        user.save(force_insert=True)
        namespace_created.send(sender=Namespace, namespace=namespace, creator=user)
    return user


def _require_email(email: str, *, besides: User | None = None) -> None:
    """Raises: Invalid, EmailTaken."""
    if not email:
        return
    try:
        validate_email(email)
    except ValidationError as error:
        raise Invalid(reason=" ".join(error.messages)) from None
    taken = User.objects.filter(email__iexact=email)
    if besides is not None:
        taken = taken.exclude(pk=besides.pk)
    if taken.exists():
        raise EmailTaken


def ensure_user(
    *,
    actor: Principal,
    name: str,
    full_name: str | None = None,
    email: str | None = None,
    password: str | None = None,
    is_staff: bool = False,
) -> tuple[User, bool]:
    """An operator wants this user to exist; None leaves what an existing one has. True: it was made now.

    Raises: Denied, and what `create_user` raises; NameTaken when the name is an organization's.
    """
    policies.require_system(actor)
    namespace = Namespace.objects.filter(key=name_key(name)).select_related("user").first()
    if namespace is None:
        user = create_user(
            name=name, password=password, email=email or "", full_name=full_name or "", is_staff=is_staff
        )
        return user, True
    if namespace.is_organization:
        raise NameTaken(name=name)
    user = namespace.user
    if email is not None:
        _require_email(email, besides=user)
        user.email = email
    if password is not None and not user.check_password(password):
        require_strong(password, user=user)
        user.set_password(password)
    user.is_staff = user.is_superuser = user.is_staff or is_staff
    with transaction.atomic(durable=True):
        user.save(update_fields=["email", "password", "is_staff", "is_superuser"])
        if full_name is not None:
            namespace.full_name = full_name
            namespace.save(update_fields=["full_name"])
    return user, False


def sign_up(*, name: str, password: str, email: str, full_name: str = "", is_open: bool) -> User:
    """Raises: SignUpClosed, and what `create_user` raises."""
    if not is_open:
        raise SignUpClosed
    return create_user(name=name, password=password, email=email, full_name=full_name)


def sign_in(*, name: str, password: str, address: str, now: datetime) -> User:
    """The user whose password this is. Failures count against the name and the address.

    Raises: BadCredentials, TooManySignIns.
    """
    throttle = SignInThrottle(name=name, address=address)
    throttle.require_allowed(now=now)
    user = authenticate(username=name, password=password)
    if not isinstance(user, User):
        throttle.record_failure(now=now)
        raise BadCredentials
    throttle.forget(now=now)
    return user


def require_strong(password: str, *, user: User | None = None) -> None:
    """Raises: WeakPassword with every rule that it breaks."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise WeakPassword(reason=" ".join(error.messages)) from None


def change_password(*, actor: Principal, old: str, new: str) -> None:
    """Raises: Unauthenticated, BadCredentials, WeakPassword."""
    policies.require_account_owner(actor)
    user = actor.user
    assert user is not None
    if user.has_usable_password() and not user.check_password(old):
        raise BadCredentials
    require_strong(new, user=user)
    user.set_password(new)
    with transaction.atomic(durable=True):
        user.save(update_fields=["password"])
        password_changed.send(sender=User, user=user, actor=actor)


def create_organization(
    *,
    actor: Principal,
    name: str,
    full_name: str = "",
    default_visibility: str = Visibility.PUBLIC,
) -> Namespace:
    """Make an organization; its maker becomes its first admin.

    Raises: Unauthenticated, NameRefused, NameTaken.
    """
    if not actor.is_system:
        policies.require_account_owner(actor)
    with transaction.atomic(durable=True):
        namespace = _insert_namespace(name=name, kind=Namespace.Kind.ORGANIZATION, full_name=full_name)
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
    """Add a member or change the role. Raises: Unauthenticated, NamespaceDenied, LastAdmin."""
    policies.require_role(actor, organization, Role.ADMIN)
    with transaction.atomic(durable=True):
        Namespace.objects.select_for_update().get(pk=organization.pk)
        if role != Role.ADMIN:
            _require_other_admin(organization, user)
        membership, _ = Membership.objects.update_or_create(
            organization=organization, user=user, defaults={"role": role}
        )
        member_set.send(sender=Membership, organization=organization, user=user, role=role, actor=actor)
    return membership


def remove_member(*, actor: Principal, organization: Namespace, user: User) -> None:
    """By an admin, or by the member who leaves.

    Raises: Unauthenticated, NamespaceDenied, LastAdmin, MemberNotFound.
    """
    if actor.user_id != user.pk:
        policies.require_role(actor, organization, Role.ADMIN)
    with transaction.atomic(durable=True):
        Namespace.objects.select_for_update().get(pk=organization.pk)
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


@dataclass(frozen=True, slots=True)
class Profile:
    """What people may say about themselves or their organization; None leaves a field as it is."""

    full_name: str | None = None
    details: str | None = None
    website: str | None = None
    default_visibility: str | None = None


def update_profile(*, actor: Principal, namespace: Namespace, profile: Profile) -> Namespace:
    """Raises: Unauthenticated, NamespaceDenied, Invalid."""
    policies.require_role(actor, namespace, Role.ADMIN)
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
    """Give a user or organization another name; the old one leads to it until somebody takes it.

    Raises: Unauthenticated, NamespaceDenied, NameRefused, NameTaken.
    """
    policies.require_role(actor, namespace, Role.ADMIN)
    require_namespace_name(name)
    with transaction.atomic(durable=True):
        namespace = Namespace.objects.select_for_update().get(pk=namespace.pk)
        old_name, old_key, key = namespace.name, namespace.key, name_key(name)
        if key != old_key:
            if Namespace.objects.filter(key=key).exists():
                raise NameTaken(name=name)
            NamespaceRedirect.objects.filter(key=key).delete()
            NamespaceRedirect.objects.create(key=old_key, namespace=namespace)
        namespace.name, namespace.key = name, key
        namespace.save(update_fields=["name", "key"])
        namespace_renamed.send(sender=Namespace, namespace=namespace, old_name=old_name, actor=actor)
    return namespace


@dataclass(frozen=True, slots=True)
class Grant:
    """One place that a fine-grained token reaches; `repository_id` None means the whole namespace."""

    namespace_id: int
    repository_id: int | None = None
    can_write: bool = False


def create_token(
    *,
    actor: Principal,
    name: str,
    scopes: Collection[str],
    expires_at: datetime | None = None,
    grants: Iterable[Grant] = (),
    secret: str | None = None,
) -> tuple[AccessToken, str]:
    """Make a token and return it with its text, which is kept nowhere.

    A token cannot make one that reaches further than itself.
    Raises: Unauthenticated, Denied, ScopeMissing, Invalid.
    """
    policies.require_account_owner(actor)
    assert actor.user is not None
    chosen = _valid_scopes(scopes)
    for scope in chosen:
        policies.require_scope(actor, scope)
    grants = list(grants)
    for grant in grants:
        if policies.role_in(actor, grant.namespace_id) is None:
            raise Invalid(reason="A token can only be granted places that its user can use.")
    secret = secret or TOKEN_PREFIX + secrets.token_urlsafe(32)
    if not name.strip() or len(name) > 80:
        raise Invalid(reason="A token needs a name of at most 80 characters.")
    with transaction.atomic(durable=True):
        if AccessToken.objects.filter(user=actor.user).count() >= TOKENS_MAX:
            raise Invalid(reason=f"An account has at most {TOKENS_MAX} tokens; delete one first.")
        token = AccessToken.objects.create(
            user=actor.user,
            name=name.strip(),
            digest=selectors.digest(secret),
            hint=secret[-4:],
            scopes=chosen,
            is_fine_grained=bool(grants),
            expires_at=expires_at,
        )
        TokenGrant.objects.bulk_create(
            TokenGrant(
                token=token,
                namespace_id=grant.namespace_id,
                repository_id=grant.repository_id,
                can_write=grant.can_write,
            )
            for grant in grants
        )
        token_created.send(sender=AccessToken, user=actor.user, label=token.name, scopes=chosen, actor=actor)
    return token, secret


def ensure_token(*, actor: Principal, user: User, secret: str, scopes: Collection[str]) -> AccessToken:
    """An operator wants this very token to be accepted with these scopes.

    Raises: Denied, Invalid, TokenTaken when the text is another user's token.
    """
    policies.require_system(actor)
    if len(secret) < SECRET_CHARS_MIN:
        raise Invalid(reason=f"A token needs at least {SECRET_CHARS_MIN} characters.")
    known = AccessToken.objects.filter(digest=selectors.digest(secret)).first()
    if known is None:
        return create_token(actor=Principal(user=user), name=GIVEN_TOKEN_NAME, scopes=scopes, secret=secret)[
            0
        ]
    if known.user_id != user.pk:
        raise TokenTaken
    known.scopes = _valid_scopes(scopes)
    known.expires_at = None
    known.save(update_fields=["scopes", "expires_at"])
    return known


def _valid_scopes(scopes: Collection[str]) -> list[str]:
    known = set(AccessToken.Scope.values)
    if not scopes or not set(scopes) <= known:
        raise Invalid(reason=f"Scopes are some of {', '.join(sorted(known))}.")
    return sorted(set(scopes))


def revoke_token(*, actor: Principal, token_id: int) -> None:
    """Raises: Unauthenticated, Denied, TokenNotFound (also for another user's)."""
    policies.require_account_owner(actor)
    with transaction.atomic(durable=True):
        token = AccessToken.objects.select_for_update().filter(pk=token_id, user=actor.user).first()
        if token is None:
            raise TokenNotFound
        token.delete()
        token_revoked.send(sender=AccessToken, user=actor.user, label=token.name, actor=actor)
