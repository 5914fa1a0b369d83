"""The keys with which people log in to what they rent."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from foundation.database.conflicts import duplicate_as
from hub.accounts import policies, ssh_keys
from hub.accounts.errors import SshKeyInvalid, SshKeyNotFound, SshKeyTaken
from hub.accounts.models import AccessToken, SshKey
from hub.accounts.principals import Principal
from hub.accounts.selectors import LAST_USED_RESOLUTION
from hub.accounts.signals import ssh_key_added, ssh_key_removed

KEYS_MAX = 50


def add_ssh_key(*, actor: Principal, text: str, name: str = "") -> SshKey:
    """Add a public key for ssh logins to the actor's leases. `text`: a line like that of `id_ed25519.pub`.

    The key reaches what a session reaches, so a token needs the scope `trade` besides `write`. Raises:
    Unauthenticated, Denied, ScopeMissing, SshKeyInvalid, SshKeyTaken.
    """
    policies.require_account_owner(actor)
    policies.require_signed_in(actor)
    policies.require_scope(actor, AccessToken.Scope.TRADE)
    assert actor.user is not None
    key = ssh_keys.parse(text)
    with transaction.atomic(durable=True):
        if SshKey.objects.filter(user=actor.user).count() >= KEYS_MAX:
            raise SshKeyInvalid(
                reason=_("an account has at most {limit} keys; delete one first").format(limit=KEYS_MAX)
            )
        if SshKey.objects.filter(fingerprint=key.fingerprint).exists():
            raise SshKeyTaken
        with duplicate_as(SshKeyTaken):
            made = SshKey.objects.create(
                user=actor.user,
                name=(name.strip() or key.comment or key.kind)[:80],
                kind=key.kind,
                body=key.body,
                fingerprint=key.fingerprint,
            )
        ssh_key_added.send(sender=SshKey, user=actor.user, fingerprint=made.fingerprint, actor=actor)
    return made


def remove_ssh_key(*, actor: Principal, key_id: int) -> None:
    """Raises: Unauthenticated, Denied, ScopeMissing, SshKeyNotFound (also for another user's)."""
    policies.require_account_owner(actor)
    policies.require_signed_in(actor)
    with transaction.atomic(durable=True):
        key = SshKey.objects.select_for_update().filter(pk=key_id, user=actor.user).first()
        if key is None:
            raise SshKeyNotFound
        key.delete()
        ssh_key_removed.send(sender=SshKey, user=actor.user, fingerprint=key.fingerprint, actor=actor)


def note_ssh_key_used(fingerprint: str, *, now: datetime) -> None:
    """Somebody has proved to have the private half of a key: its owner sees when that was last."""
    was_long_ago = Q(last_used_at=None) | Q(last_used_at__lt=now - LAST_USED_RESOLUTION)
    SshKey.objects.filter(was_long_ago, fingerprint=fingerprint).update(last_used_at=now)
