"""The principal of a request: doors create it and policies read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hub.accounts.models import AccessToken, Role

if TYPE_CHECKING:
    from hub.accounts.models import User

# A scope → the one that includes it.
WIDER_SCOPES = {
    AccessToken.Scope.READ.value: AccessToken.Scope.WRITE.value,
    AccessToken.Scope.DEPLOY.value: AccessToken.Scope.TRADE.value,
}


@dataclass(slots=True)
class Principal:
    """A caller: nobody, a signed-in user (no token), or a user through an access token.

    Roles are read once and kept for the length of the request.
    """

    user: User | None = None
    token: AccessToken | None = None
    is_system: bool = False
    _roles: dict[int, Role] | None = field(default=None, repr=False)
    _grants: list[tuple[int, int | None, bool]] | None = field(default=None, repr=False)

    @property
    def user_id(self) -> int | None:
        return self.user.pk if self.user else None

    @property
    def name(self) -> str:
        return self.user.name if self.user else ""

    @property
    def is_anonymous(self) -> bool:
        return self.user is None and not self.is_system

    def has_scope(self, scope: str) -> bool:
        """True if the credentials have this scope; a session has all scopes of its user."""
        if self.token is None:
            return not self.is_anonymous
        scopes = self.token.scopes
        return scope in scopes or WIDER_SCOPES.get(scope) in scopes

    @property
    def roles(self) -> dict[int, Role]:
        """Namespace id → role: admin of one's own, and the memberships. One query."""
        if self._roles is None:
            if self.user is None:
                self._roles = {}
            else:
                self._roles = {
                    pk: Role(role)
                    for pk, role in self.user.memberships.values_list("organization_id", "role")
                }
                self._roles[self.user.namespace_id] = Role.ADMIN
        return self._roles

    def reread(self) -> Principal:
        """The same caller, whose roles and grants are read again: for work that takes minutes."""
        return Principal(user=self.user, token=self.token, is_system=self.is_system)

    @property
    def grants(self) -> list[tuple[int, int | None, bool]]:
        """A fine-grained token's grants as (namespace id, repository id or None, can write)."""
        if self._grants is None:
            self._grants = (
                list(self.token.grants.values_list("namespace_id", "repository_id", "can_write"))
                if self.token is not None and self.token.is_fine_grained
                else []
            )
        return self._grants

    @property
    def is_fine_grained(self) -> bool:
        return self.token is not None and self.token.is_fine_grained

    @property
    def spend_cap_micros(self) -> int | None:
        """The most that the token may spend in all, if it buys under a cap (scope `deploy`, not `trade`)."""
        return self.token.spend_cap_micros if self.token is not None else None

    def is_granted(self, *, namespace_id: int, repository_id: int | None, write: bool) -> bool:
        """True if the credentials, apart from the user's own permissions, reach this place."""
        if not self.has_scope(AccessToken.Scope.WRITE if write else AccessToken.Scope.READ):
            return False
        if not self.is_fine_grained:
            return True
        return any(
            namespace == namespace_id and repository in {None, repository_id} and (can_write or not write)
            for namespace, repository, can_write in self.grants
        )


ANONYMOUS = Principal()
SYSTEM = Principal(is_system=True)
