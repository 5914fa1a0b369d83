"""Rights to a namespace: roles, scopes and grants, each alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from foundation.errors import Denied, Unauthenticated
from hub.accounts import policies
from hub.accounts.errors import NamespaceDenied, ScopeMissing
from hub.accounts.models import AccessToken, Namespace, Role, TokenGrant, User
from hub.accounts.principals import ANONYMOUS, SYSTEM, Principal
from tests.factories import hub as make

pytestmark = pytest.mark.django_db


def through_token(
    user: User, *scopes: str, grants: Iterable[tuple[Namespace, bool]] | None = None
) -> Principal:
    """A user through a token; with `grants`, (namespace, can write), through a fine-grained one."""
    token = AccessToken.objects.create(
        user=user,
        name="t",
        digest=f"{AccessToken.objects.count():064}",
        hint="t",
        scopes=[*scopes],
        is_fine_grained=grants is not None,
    )
    for namespace, can_write in grants or ():
        TokenGrant.objects.create(token=token, namespace=namespace, can_write=can_write)
    return Principal(user=user, token=token)


class TestRoleIn:
    def test_is_admin_of_ones_own_and_of_everything_for_the_operator(self) -> None:
        ada, other = make.user(), make.user()
        assert policies.role_in(Principal(user=ada), ada.namespace_id) == Role.ADMIN
        assert policies.role_in(Principal(user=ada), other.namespace_id) is None
        assert policies.role_in(SYSTEM, other.namespace_id) == Role.ADMIN
        assert policies.role_in(ANONYMOUS, ada.namespace_id) is None

    def test_is_that_of_the_membership(self) -> None:
        ada = make.user()
        lab = make.organization(members={ada: Role.WRITE})
        assert policies.role_in(Principal(user=ada), lab.pk) == Role.WRITE


class TestHasRole:
    @pytest.mark.parametrize(
        ("held", "asked", "expected"),
        [
            (Role.READ, Role.READ, True),
            (Role.READ, Role.WRITE, False),
            (Role.WRITE, Role.WRITE, True),
            (Role.WRITE, Role.ADMIN, False),
            (Role.ADMIN, Role.ADMIN, True),
            (Role.ADMIN, Role.READ, True),
        ],
    )
    def test_compares_roles(self, held: Role, asked: Role, expected: bool) -> None:
        ada = make.user()
        lab = make.organization(members={ada: held})
        assert policies.has_role(Principal(user=ada), lab, asked) is expected

    def test_is_nobodys_without_one(self) -> None:
        lab = make.organization()
        assert not policies.has_role(make.actor(), lab, Role.READ)
        assert not policies.has_role(ANONYMOUS, lab, Role.READ)
        assert policies.has_role(SYSTEM, lab, Role.ADMIN)

    def test_needs_the_scope_for_what_is_done(self) -> None:
        ada = make.user()
        reader = through_token(ada, "read")
        assert policies.has_role(reader, ada.namespace, Role.ADMIN, write=False)
        assert not policies.has_role(reader, ada.namespace, Role.ADMIN)
        assert policies.has_role(through_token(ada, "write"), ada.namespace, Role.ADMIN)

    def test_needs_a_grant_of_the_namespace(self) -> None:
        ada = make.user()
        lab = make.organization(members={ada: Role.ADMIN})
        granted = through_token(ada, "write", grants=[(lab, True)])
        assert policies.has_role(granted, lab, Role.ADMIN)
        assert not policies.has_role(granted, ada.namespace, Role.ADMIN)
        looking = through_token(ada, "write", grants=[(lab, False)])
        assert policies.has_role(looking, lab, Role.ADMIN, write=False)
        assert not policies.has_role(looking, lab, Role.ADMIN)


class TestRequireRole:
    def test_names_what_is_missing(self) -> None:
        ada = make.user()
        lab = make.organization(name="lab", members={ada: Role.WRITE})
        with pytest.raises(Unauthenticated):
            policies.require_role(ANONYMOUS, lab, Role.READ)
        with pytest.raises(NamespaceDenied, match="lab"):
            policies.require_role(make.actor(), lab, Role.READ)
        with pytest.raises(NamespaceDenied, match="lab"):
            policies.require_role(Principal(user=ada), lab, Role.ADMIN)
        with pytest.raises(ScopeMissing, match="write"):
            policies.require_role(through_token(ada, "read"), lab, Role.WRITE)

    def test_passes_those_who_have_it(self) -> None:
        ada = make.user()
        lab = make.organization(members={ada: Role.WRITE})
        for actor in (Principal(user=ada), through_token(ada, "write"), SYSTEM):
            policies.require_role(actor, lab, Role.WRITE)


class TestRequireSignedIn:
    def test_takes_no_operator_for_a_person(self) -> None:
        for nobody in (ANONYMOUS, SYSTEM):
            with pytest.raises(Unauthenticated):
                policies.require_signed_in(nobody)
        policies.require_signed_in(make.actor())


class TestRequireScope:
    def test_is_met_by_sessions_the_operator_and_tokens_that_have_it(self) -> None:
        ada = make.user()
        with pytest.raises(Unauthenticated):
            policies.require_scope(ANONYMOUS, "read")
        with pytest.raises(ScopeMissing, match="write"):
            policies.require_scope(through_token(ada, "read"), "write")
        for actor in (SYSTEM, Principal(user=ada), through_token(ada, "write")):
            policies.require_scope(actor, "write")
            policies.require_scope(actor, "read")


class TestRequireAccountOwner:
    def test_is_a_session_a_whole_token_that_writes_or_the_operator(self) -> None:
        ada = make.user()
        for actor in (SYSTEM, Principal(user=ada), through_token(ada, "write")):
            policies.require_account_owner(actor)

    def test_is_nobody_else(self) -> None:
        ada = make.user()
        with pytest.raises(Unauthenticated):
            policies.require_account_owner(ANONYMOUS)
        with pytest.raises(ScopeMissing):
            policies.require_account_owner(through_token(ada, "read"))
        with pytest.raises(Denied, match="fine-grained"):
            policies.require_account_owner(through_token(ada, "write", grants=[(ada.namespace, True)]))


class TestRequireAccountAdmin:
    def test_needs_the_role_and_the_account(self) -> None:
        ada, eve = make.user(), make.user()
        lab = make.organization(members={ada: Role.ADMIN, eve: Role.WRITE})
        policies.require_account_admin(Principal(user=ada), lab)
        policies.require_account_admin(SYSTEM, lab)
        with pytest.raises(NamespaceDenied):
            policies.require_account_admin(Principal(user=eve), lab)
        with pytest.raises(Denied, match="fine-grained"):
            policies.require_account_admin(through_token(ada, "write", grants=[(lab, True)]), lab)


class TestRequireSystem:
    @pytest.mark.parametrize("somebody", [lambda: ANONYMOUS, make.actor])
    def test_refuses_everybody_else(self, somebody: Callable[[], Principal]) -> None:
        with pytest.raises(Denied, match="administrator"):
            policies.require_system(somebody())

    def test_passes_the_operator(self) -> None:
        policies.require_system(SYSTEM)
