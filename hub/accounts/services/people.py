"""Users: sign up, sign in, passwords."""

from __future__ import annotations

from contextlib import suppress

from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from prometheus_client import Counter

from foundation.errors import Invalid
from foundation.stored_texts import UnstorableText, is_storable
from hub.accounts import policies, throttling
from hub.accounts.errors import (
    BadCredentials,
    NameTaken,
    SignUpClosed,
    TooManySignIns,
    TooManySignUps,
    WeakPassword,
)
from hub.accounts.models import Namespace, User, name_key
from hub.accounts.principals import ANONYMOUS, Principal
from hub.accounts.services.namespaces import insert_namespace
from hub.accounts.signals import namespace_created, password_changed, sign_in_failed, signed_in
from hub.accounts.throttling import SignInThrottle

# Of the accounts with one e-mail address, how many can sign in by it: the oldest. The others use their name.
ACCOUNTS_PER_EMAIL_MAX = 3

SIGN_INS = Counter("bazaar_sign_ins", "Attempts to sign in with a password.", ["outcome"])


def create_user(
    *,
    actor: Principal = ANONYMOUS,
    name: str,
    password: str | None = None,
    email: str = "",
    full_name: str = "",
    is_staff: bool = False,
) -> User:
    """Make a user and the namespace of the same name. Without a password only tokens sign in.

    Raises: NameRefused, NameTaken, NameReserved, WeakPassword, Invalid (the e-mail address).
    """
    _require_email(email)
    with transaction.atomic(durable=True):
        namespace = insert_namespace(actor=actor, name=name, kind=Namespace.Kind.USER, full_name=full_name)
        user = User(namespace=namespace, email=email, is_staff=is_staff, is_superuser=is_staff)
        if password is None:
            user.set_unusable_password()
        else:
            require_strong(password, user=user)
            user.set_password(password)
        user.save(force_insert=True)
        namespace_created.send(sender=Namespace, namespace=namespace, creator=user)
    return user


def set_language(*, actor: Principal, language: str) -> None:
    """Remember the language of mails to the actor, if it is one of the pages' languages."""
    if actor.user is not None and language in dict(settings.LANGUAGES) and actor.user.language != language:
        actor.user.language = language
        actor.user.save(update_fields=["language"])


def _require_email(email: str) -> None:
    """Check the spelling. Another account may have the same address: a refusal would tell strangers
    whose addresses the hub knows. Raises: Invalid.
    """
    if not email:
        return
    try:
        validate_email(email)
    except ValidationError as error:
        raise Invalid(reason=" ".join(error.messages)) from None


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
            actor=actor,
            name=name,
            password=password,
            email=email or "",
            full_name=full_name or "",
            is_staff=is_staff,
        )
        return user, True
    if namespace.is_organization:
        raise NameTaken(name=name)
    user = namespace.user
    if email is not None:
        _require_email(email)
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


def sign_up(
    *, name: str, password: str, email: str, full_name: str = "", is_open: bool, address: str | None
) -> User:
    """Make an account for somebody who asks for one.

    `address` is the network that the attempt counts against; None counts nothing.

    Raises: SignUpClosed, TooManySignUps, and what `create_user` raises.
    """
    if not is_open:
        raise SignUpClosed
    if address is not None and (wait := throttling.sign_ups().take(address)):
        raise TooManySignUps(retry_after_s=wait)
    return create_user(name=name, password=password, email=email, full_name=full_name)


def sign_in(*, name: str, password: str, address: str) -> User:
    """The user whose password this is, by name or e-mail address.

    Failures count against the address, and against the name at that address.

    Raises: BadCredentials, TooManySignIns.
    """
    if not (is_storable(name) and is_storable(password)):
        # No account has them. Neither a hash nor a key of Redis can be made of lone surrogates.
        raise BadCredentials
    throttle = SignInThrottle(name=name, address=address)
    try:
        throttle.require_allowed()
    except TooManySignIns:
        SIGN_INS.labels("throttled").inc()
        raise
    user = _authenticate(name, password)
    if user is None:
        SIGN_INS.labels("failed").inc()
        throttle.record_failure()
        # Only of accounts that exist: people type passwords into the field for names.
        with suppress(User.DoesNotExist), transaction.atomic():
            meant = User.objects.get_by_natural_key(name)
            sign_in_failed.send(sender=User, user=meant, address=address)
        raise BadCredentials
    SIGN_INS.labels("ok").inc()
    throttle.forget()
    with transaction.atomic():
        signed_in.send(sender=User, user=user, address=address)
    return user


def _authenticate(text: str, password: str) -> User | None:
    """The account with this name, or the one with this e-mail address, that has this password.

    Several accounts may have one e-mail address. For an address the same number of passwords is always
    checked, so that the time taken does not tell how many accounts have it.
    """
    names = [text]
    if "@" in text:
        holders = User.objects.with_email(text)[:ACCOUNTS_PER_EMAIL_MAX]
        names = [user.name for user in holders]
        names += [""] * (ACCOUNTS_PER_EMAIL_MAX - len(names))
    found = [authenticate(username=name, password=password) for name in names]
    return next((user for user in found if isinstance(user, User)), None)


def require_strong(password: str, *, user: User | None = None) -> None:
    """Raises: WeakPassword with every rule that it breaks, UnstorableText."""
    if not is_storable(password):
        # No hash can be made of it.
        raise UnstorableText
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise WeakPassword(reason=" ".join(error.messages)) from None


def change_password(*, actor: Principal, old: str, new: str) -> None:
    """Raises: Unauthenticated, BadCredentials, WeakPassword."""
    policies.require_account_owner(actor)
    user = actor.user
    assert user is not None
    if user.has_usable_password() and not (is_storable(old) and user.check_password(old)):
        raise BadCredentials
    require_strong(new, user=user)
    user.set_password(new)
    with transaction.atomic(durable=True):
        user.save(update_fields=["password"])
        password_changed.send(sender=User, user=user, actor=actor)
