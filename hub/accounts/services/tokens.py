"""Access tokens: shown once, looked up by their hash, revoked."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from foundation.errors import Denied, Invalid
from hub.accounts import policies, selectors
from hub.accounts.errors import TokenNotFound, TokenTaken
from hub.accounts.models import AccessToken, TokenGrant, User
from hub.accounts.principals import Principal
from hub.accounts.signals import token_created, token_revoked
from hub.accounts.token_text import new_token_text

TOKENS_MAX = 100
SECRET_CHARS_MIN = 8
SPEND_CAP_MAX_MICROS = 10**17
GIVEN_TOKEN_NAME = "given by the operator"  # noqa: S105 - a label


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
    spend_cap_micros: int | None = None,
) -> tuple[AccessToken, str]:
    """Make a token and return it with its text, which is kept nowhere.

    A token cannot make one that reaches further than itself. `spend_cap_micros` belongs to the scope
    `deploy`: the most that the token may spend in all, in micro-credits.
    Raises: Unauthenticated, Denied, ScopeMissing, Invalid.
    """
    policies.require_account_owner(actor)
    assert actor.user is not None
    chosen = _valid_scopes(scopes)
    for scope in chosen:
        policies.require_scope(actor, scope)
    _require_cap(actor, chosen, spend_cap_micros)
    grants = list(grants)
    for grant in grants:
        if policies.role_in(actor, grant.namespace_id) is None:
            raise Invalid(reason=_("A token can only be granted places that its user can use."))
    secret = secret or new_token_text(settings.TOKEN_PREFIX)
    if not name.strip() or len(name) > 80:
        raise Invalid(reason=_("A token needs a name of at most 80 characters."))
    with transaction.atomic(durable=True):
        if AccessToken.objects.filter(user=actor.user).count() >= TOKENS_MAX:
            raise Invalid(
                reason=_("An account has at most {limit} tokens; delete one first.").format(limit=TOKENS_MAX)
            )
        token = AccessToken.objects.create(
            user=actor.user,
            name=name.strip(),
            digest=selectors.digest(secret),
            hint=secret[-4:],
            scopes=chosen,
            is_fine_grained=bool(grants),
            expires_at=expires_at,
            spend_cap_micros=spend_cap_micros,
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
    _require_cap(actor, known.scopes, None)
    known.expires_at = known.spend_cap_micros = None
    known.save(update_fields=["scopes", "expires_at", "spend_cap_micros"])
    return known


def _valid_scopes(scopes: Collection[str]) -> list[str]:
    known = set(AccessToken.Scope.values)
    if not scopes or not set(scopes) <= known:
        raise Invalid(reason=f"Scopes are some of {', '.join(sorted(known))}.")
    return sorted(set(scopes))


def _require_cap(actor: Principal, scopes: Collection[str], spend_cap_micros: int | None) -> None:
    """Require a cap of a token that may buy but not trade, and of no other. Raises: Invalid, Denied."""
    scope = AccessToken.Scope
    is_capped = scope.DEPLOY in scopes and scope.TRADE not in scopes
    if is_capped != (spend_cap_micros is not None):
        raise Invalid(
            field="spend_cap_micros",
            reason=_("A token with the scope deploy and without trade needs a cap; others have none."),
        )
    if spend_cap_micros is not None and not 0 < spend_cap_micros <= SPEND_CAP_MAX_MICROS:
        raise Invalid(
            field="spend_cap_micros", reason=f"A cap is from 1 to {SPEND_CAP_MAX_MICROS} micro-credits."
        )
    if is_capped and actor.spend_cap_micros is not None:
        raise Denied(
            reason=_("A token with a cap cannot make another one: each would have a cap of its own.")
        )


def revoke_token(*, actor: Principal, token_id: int) -> None:
    """Raises: Unauthenticated, Denied, TokenNotFound (also for another user's)."""
    policies.require_account_owner(actor)
    with transaction.atomic(durable=True):
        token = AccessToken.objects.select_for_update().filter(pk=token_id, user=actor.user).first()
        if token is None:
            raise TokenNotFound
        token.delete()
        token_revoked.send(sender=AccessToken, user=actor.user, label=token.name, actor=actor)
