"""Facts this room announces. Sent inside the transaction that makes them true."""

from django.dispatch import Signal

namespace_created = Signal()  # namespace, creator (User or None)
namespace_renamed = Signal()  # namespace, old_name, actor
member_set = Signal()  # organization, user, role, actor
member_removed = Signal()  # organization, user, actor
signed_in = Signal()  # user, address: a name and password that are right
sign_in_failed = Signal()  # user, address: the password of an account that exists was wrong
password_changed = Signal()  # user, actor
ssh_key_added = Signal()  # user, fingerprint, actor
ssh_key_removed = Signal()  # user, fingerprint, actor
token_created = Signal()  # user, label, scopes, actor
token_revoked = Signal()  # user, label, actor
