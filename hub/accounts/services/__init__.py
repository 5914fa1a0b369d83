"""Use cases of accounts: sign up, sign in, organizations, members, tokens."""

from hub.accounts.services.namespaces import Profile, rename_namespace, update_profile
from hub.accounts.services.organizations import (
    create_organization,
    ensure_member,
    ensure_organization,
    remove_member,
    set_member,
)
from hub.accounts.services.people import (
    change_password,
    create_user,
    ensure_user,
    require_strong,
    set_language,
    sign_in,
    sign_up,
)
from hub.accounts.services.ssh_keys import add_ssh_key, note_ssh_key_used, remove_ssh_key
from hub.accounts.services.tokens import (
    SPEND_CAP_MAX_MICROS,
    Grant,
    create_token,
    ensure_token,
    revoke_token,
)

__all__ = [
    "SPEND_CAP_MAX_MICROS",
    "Grant",
    "Profile",
    "add_ssh_key",
    "change_password",
    "create_organization",
    "create_token",
    "create_user",
    "ensure_member",
    "ensure_organization",
    "ensure_token",
    "ensure_user",
    "note_ssh_key_used",
    "remove_member",
    "remove_ssh_key",
    "rename_namespace",
    "require_strong",
    "revoke_token",
    "set_language",
    "set_member",
    "sign_in",
    "sign_up",
    "update_profile",
]
