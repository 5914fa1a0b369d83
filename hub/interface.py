"""The one module of the hub for houses above it: accounts, rights, notices, the caller, the audit log.

Helpers are not here: what every house needs is in `foundation`.
"""

from __future__ import annotations

from hub.accounts import policies as _policies
from hub.accounts import selectors as _accounts
from hub.accounts import services as _services
from hub.accounts.errors import NamespaceNotFound
from hub.accounts.models import Namespace, Role, User
from hub.accounts.principals import ANONYMOUS, SYSTEM, Principal
from hub.accounts.sessions import actor_of
from hub.audit.recording import record as record_audit
from hub.community import notices as _notices
from hub.community.models import NoticeKind
from hub.community.notices import NamespaceNotice
from hub.community.services import people as _people

create_organization = _services.create_organization
get_namespace = _accounts.get_namespace
tell_namespaces = _notices.tell_namespaces
visited_namespaces = _notices.visited_namespaces
read_notices_of = _people.read_notices_of
principal_for_token = _accounts.principal_for_token
principal_for_ssh_key = _accounts.principal_for_ssh_key
note_ssh_key_used = _services.note_ssh_key_used
require_scope = _policies.require_scope
require_role = _policies.require_role
role_in = _policies.role_in

__all__ = [
    "ANONYMOUS",
    "SYSTEM",
    "Namespace",
    "NamespaceNotFound",
    "NamespaceNotice",
    "NoticeKind",
    "Principal",
    "Role",
    "User",
    "actor_of",
    "create_organization",
    "get_namespace",
    "note_ssh_key_used",
    "principal_for_ssh_key",
    "principal_for_token",
    "read_notices_of",
    "record_audit",
    "require_role",
    "require_scope",
    "role_in",
    "tell_namespaces",
    "visited_namespaces",
]
