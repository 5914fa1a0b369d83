"""Reads of accounts: names, tokens, members."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet

from foundation.database.compiled import CompiledQuery
from hub.accounts import policies
from hub.accounts.errors import InvalidToken, NamespaceNotFound
from hub.accounts.models import AccessToken, Membership, Namespace, SshKey, User, name_key
from hub.accounts.principals import Principal

LAST_USED_RESOLUTION = timedelta(hours=1)


def digest(secret: str) -> str:
    """The stored form of a token: SHA-256, hex. Tokens hold 238 random bits, so no slow hash is needed."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def get_namespace(name: str) -> Namespace:
    """By name in any case, or by a name it had before. Raises: NamespaceNotFound."""
    key = name_key(name)
    namespace = (
        Namespace.objects.filter(Q(key=key) | Q(redirects__key=key))
        .order_by(F("redirects__key").asc(nulls_first=True))
        .first()
    )
    if namespace is None:
        raise NamespaceNotFound(name=name)
    return namespace


def find_namespaces(text: str, *, limit: int) -> list[Namespace]:
    """Those whose names begin with a text, in any case."""
    return list(Namespace.objects.filter(key__startswith=text.lower())[:limit])


def get_organization(name: str) -> Namespace:
    """Raises: NamespaceNotFound, also for a user's name."""
    namespace = get_namespace(name)
    if not namespace.is_organization:
        raise NamespaceNotFound(name=name)
    return namespace


def get_user(name: str) -> User:
    """Raises: NamespaceNotFound."""
    user = (
        User.objects.select_related("namespace")
        .filter(
            Q(namespace__key=name_key(name)) | Q(namespace__redirects__key=name_key(name)), is_active=True
        )
        .first()
    )
    if user is None:
        raise NamespaceNotFound(name=name)
    return user


_by_digest = CompiledQuery(
    lambda digest: AccessToken.objects.select_related("user__namespace").filter(digest=digest),
    digest="?digest",
)


def principal_for_token(secret: str, *, now: datetime) -> Principal:
    """The principal of a token. Raises: InvalidToken if it is unknown, expired or revoked."""
    token = _by_digest.first(digest=digest(secret))
    if token is None or not token.user.is_active or (token.expires_at and token.expires_at <= now):
        raise InvalidToken
    if token.last_used_at is None or now - token.last_used_at > LAST_USED_RESOLUTION:
        AccessToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return Principal(user=token.user, token=token)


def principal_by_ids(*, user_id: int | None, token_id: int | None, now: datetime) -> Principal | None:
    """The principal of a signed claim, with the present permissions; anonymous without a user.

    None when the user is not active any more, or the token has expired or was revoked.
    """
    if user_id is None:
        return Principal()
    user = User.objects.select_related("namespace").filter(pk=user_id, is_active=True).first()
    token = AccessToken.objects.live(now).filter(pk=token_id, user_id=user_id).first() if token_id else None
    if user is None or (token_id and token is None):
        return None
    return Principal(user=user, token=token)


def organizations_of(user: User) -> QuerySet[Membership]:
    return user.memberships.select_related("organization").order_by("organization__key")


def members_of(organization: Namespace) -> QuerySet[Membership]:
    return organization.memberships.select_related("user__namespace").order_by("user__namespace__key")


def tokens_of(*, actor: Principal) -> QuerySet[AccessToken]:
    """The actor's own tokens with their grants, newest first.

    Only for credentials that reach the account itself: a leaked token must not describe the others.
    Raises: Unauthenticated, ScopeMissing, Denied (a fine-grained token).
    """
    policies.require_account_owner(actor)
    assert actor.user is not None
    grants = actor.user.access_tokens.prefetch_related("grants__namespace", "grants__repository__namespace")
    return grants.order_by("-id")


def ssh_keys_of(*, actor: Principal) -> QuerySet[SshKey]:
    """One's own keys, newest first. Raises: Unauthenticated, ScopeMissing, Denied."""
    policies.require_account_owner(actor)
    policies.require_signed_in(actor)
    return SshKey.objects.filter(user=actor.user).order_by("-pk")


def principal_for_ssh_key(fingerprint: str) -> Principal | None:
    """The principal of the active user with this key, as in a session; None if there is none.

    Nothing is written: clients offer a public key before they prove that they have the private one.
    """
    key = SshKey.objects.select_related("user__namespace").filter(fingerprint=fingerprint).first()
    if key is None or not key.user.is_active:
        return None
    return Principal(user=key.user)
