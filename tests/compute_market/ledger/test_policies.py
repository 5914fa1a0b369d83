"""Rights to see an account, to spend from it and to add money: roles, scopes, caps and grants, each alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from compute_market.ledger import policies
from compute_market.ledger.errors import NotAMember, OperatorOnly, TradeScopeMissing
from foundation.errors import Unauthenticated
from hub.accounts.models import AccessToken, Namespace, Role, TokenGrant, User
from hub.accounts.principals import ANONYMOUS, SYSTEM, Principal
from tests.factories import hub as make
from tests.factories.market import namespace_of, operator, trader

pytestmark = pytest.mark.django_db


def fine_grained(user: User, *scopes: str, grants: Iterable[Namespace] = ()) -> Principal:
    token = AccessToken.objects.create(
        user=user, name="t", digest="f" * 64, hint="t", scopes=[*scopes], is_fine_grained=True
    )
    for namespace in grants:
        TokenGrant.objects.create(token=token, namespace=namespace)
    return Principal(user=user, token=token)


class TestRequireOperator:
    def test_passes_staff_by_session_or_whole_token_and_the_command_line(self) -> None:
        staff = operator()
        assert staff.user is not None
        token = AccessToken.objects.create(user=staff.user, name="t", digest="a", hint="t", scopes=["trade"])
        for actor in (staff, SYSTEM, Principal(user=staff.user, token=token)):
            policies.require_operator(actor)

    def test_refuses_everybody_else(self) -> None:
        user = operator().user
        assert user is not None
        narrow = AccessToken.objects.create(user=user, name="t", digest="b", hint="t", scopes=["deploy"])
        with pytest.raises(Unauthenticated):
            policies.require_operator(ANONYMOUS)
        for actor in (trader(), Principal(user=user, token=narrow), fine_grained(user, "trade")):
            with pytest.raises(OperatorOnly):
                policies.require_operator(actor)


class TestScopes:
    @pytest.mark.parametrize(
        ("require", "scopes", "passes"),
        [
            (policies.require_trade_scope, None, True),
            (policies.require_trade_scope, ("trade",), True),
            (policies.require_trade_scope, ("deploy",), False),
            (policies.require_trade_scope, ("write",), False),
            (policies.require_market_scope, None, True),
            (policies.require_market_scope, ("trade",), True),
            (policies.require_market_scope, ("deploy",), True),
            (policies.require_market_scope, ("write",), False),
        ],
    )
    def test_decide_what_a_token_may_see(
        self, require: Callable[[Principal], None], scopes: tuple[str, ...] | None, passes: bool
    ) -> None:
        actor = trader(scopes=scopes)
        if passes:
            require(actor)
        else:
            with pytest.raises(TradeScopeMissing):
                require(actor)

    @pytest.mark.parametrize("require", [policies.require_trade_scope, policies.require_market_scope])
    def test_are_not_asked_of_the_operator_and_not_had_by_strangers(
        self, require: Callable[[Principal], None]
    ) -> None:
        require(SYSTEM)
        with pytest.raises(Unauthenticated):
            require(ANONYMOUS)


class TestSpending:
    @pytest.mark.parametrize(("role", "passes"), [(Role.READ, False), (Role.WRITE, True), (Role.ADMIN, True)])
    def test_is_for_writers_and_admins(self, role: Role, passes: bool) -> None:
        user = make.user()
        lab = make.organization(members={user: role})
        actor = Principal(user=user)
        assert policies.may_spend(actor, lab.pk) is passes
        assert policies.may_buy(actor, lab.pk) is passes
        expected = {user.namespace_id, lab.pk} if passes else {user.namespace_id}
        assert policies.readable_namespaces(actor) == policies.buying_namespaces(actor) == expected

    def test_is_not_for_strangers(self) -> None:
        namespace = namespace_of(trader())
        for require in (policies.require_spend, policies.require_buy):
            with pytest.raises(NotAMember):
                require(trader(), namespace)
            with pytest.raises(Unauthenticated):
                require(ANONYMOUS, namespace)
            require(SYSTEM, namespace)

    def test_needs_the_scope_trade_and_buying_no_more_than_deploy(self) -> None:
        capped, whole = trader(scopes=("deploy",)), trader(scopes=("trade",))
        with pytest.raises(TradeScopeMissing):
            policies.require_spend(capped, namespace_of(capped))
        assert not policies.may_spend(capped, namespace_of(capped))
        policies.require_buy(capped, namespace_of(capped))
        policies.require_spend(whole, namespace_of(whole))
        policies.require_buy(whole, namespace_of(whole))
        assert policies.readable_namespaces(capped) == set()
        assert policies.buying_namespaces(capped) == {namespace_of(capped)}

    def test_needs_a_grant_of_the_whole_namespace(self) -> None:
        user = make.user()
        lab = make.organization(members={user: Role.ADMIN})
        actor = fine_grained(user, "trade", grants=[lab])
        assert policies.may_spend(actor, lab.pk)
        assert not policies.may_spend(actor, user.namespace_id)

    def test_is_not_had_by_a_grant_of_a_repository(self) -> None:
        user = make.user()
        actor = fine_grained(user, "trade")
        assert actor.token is not None
        TokenGrant.objects.create(
            token=actor.token, namespace=user.namespace, repository=make.repository(user), can_write=True
        )
        assert not policies.may_spend(actor, user.namespace_id)


class TestIsCapped:
    def test_are_tokens_without_the_scope_trade(self) -> None:
        assert policies.is_capped(trader(scopes=("deploy",)))
        assert not policies.is_capped(trader(scopes=("trade",)))
        assert not policies.is_capped(trader())
        assert not policies.is_capped(SYSTEM)
