"""Reads of accounts: balances, statements, and the accounts that an actor may see."""

from __future__ import annotations

import pytest
from django.utils import translation

from compute_market.ledger import policies, postings, selectors
from compute_market.ledger.errors import AccountNotFound, TradeScopeMissing
from compute_market.ledger.models import Account, Transfer
from compute_market.ledger.selectors import Balance, StatementLine
from foundation.errors import Unauthenticated
from hub.accounts.models import Role
from hub.accounts.principals import ANONYMOUS, Principal
from tests.factories import hub as make
from tests.factories.market import CREDIT, NOON, fund, namespace_of, post_bond, trader

pytestmark = pytest.mark.django_db


def line(cause: str, kind: str = "usage") -> StatementLine:
    return StatementLine(transfer_id=1, at=NOON, kind=kind, amount_micros=5, cause=cause)


class TestBalances:
    def test_are_zero_before_an_account_is_opened(self) -> None:
        actor = trader()
        assert selectors.balances(actor=actor, namespace_id=namespace_of(actor)) == [
            Balance("main", 0, 0),
            Balance("bond", 0, 0),
        ]
        assert not Account.objects.exists()

    def test_have_what_is_held_and_what_is_available(self) -> None:
        actor = trader(funds=10)
        post_bond(actor, 4)
        account = postings.lock_account(namespace_id=namespace_of(actor), now=NOON)
        postings.reserve(account=account, amount_micros=CREDIT, cause="order/1", now=NOON)
        main, bond = selectors.balances(actor=actor, namespace_id=namespace_of(actor))
        assert main == Balance("main", 6 * CREDIT, CREDIT)
        assert main.available_micros == 5 * CREDIT
        assert (bond, bond.available_micros) == (Balance("bond", 4 * CREDIT, 0), 4 * CREDIT)

    def test_are_read_by_a_capped_token_and_by_nobody_else_without_the_namespace(self) -> None:
        owner, capped = trader(funds=1), trader(scopes=("deploy",))
        selectors.balances(actor=capped, namespace_id=namespace_of(capped))
        for actor in (trader(), capped):
            with pytest.raises(AccountNotFound):
                selectors.balances(actor=actor, namespace_id=namespace_of(owner))
        with pytest.raises(TradeScopeMissing):
            selectors.balances(actor=trader(scopes=("write",)), namespace_id=namespace_of(owner))


class TestFindAccount:
    def test_gives_the_kind_that_is_asked_for_or_none_before_it_is_opened(self) -> None:
        actor = trader(funds=1)
        main = selectors.find_account(actor=actor, namespace_id=namespace_of(actor))
        assert main is not None
        assert (main.kind, main.balance_micros) == ("main", CREDIT)
        assert selectors.find_account(actor=actor, namespace_id=namespace_of(actor), kind="bond") is None
        with pytest.raises(AccountNotFound):
            selectors.get_account(actor=actor, namespace_id=namespace_of(actor), kind="bond")
        post_bond(actor, 1)
        bond = selectors.get_account(actor=actor, namespace_id=namespace_of(actor), kind="bond")
        assert (bond.kind, bond.balance_micros) == ("bond", CREDIT)

    def test_finds_nothing_of_others_and_needs_the_whole_scope(self) -> None:
        owner = trader(funds=1)
        assert selectors.find_account(actor=trader(), namespace_id=namespace_of(owner)) is None
        capped = trader(scopes=("deploy",))
        with pytest.raises(TradeScopeMissing):
            selectors.find_account(actor=capped, namespace_id=namespace_of(capped))
        with pytest.raises(Unauthenticated):
            selectors.get_account(actor=ANONYMOUS, namespace_id=namespace_of(owner))


class TestReadableNamespaces:
    def test_are_those_that_the_actor_may_spend_for(self) -> None:
        user = make.user()
        lab = make.organization(members={user: Role.WRITE})
        make.organization(members={user: Role.READ})
        make.organization()
        found = selectors.readable_namespaces(actor=Principal(user=user))
        assert {namespace.pk for namespace in found} == {user.namespace_id, lab.pk}

    def test_need_the_whole_scope(self) -> None:
        with pytest.raises(TradeScopeMissing):
            selectors.readable_namespaces(actor=trader(scopes=("deploy",)))
        with pytest.raises(Unauthenticated):
            selectors.readable_namespaces(actor=ANONYMOUS)


class TestStatement:
    def test_has_money_in_as_positive_and_money_out_as_negative_for_each_side(self) -> None:
        buyer, seller = trader(funds=10), trader()
        ends = [postings.lock_account(namespace_id=namespace_of(who), now=NOON) for who in (buyer, seller)]
        postings.transfer(
            debit=ends[0], credit=ends[1], amount_micros=7, kind=Transfer.Kind.USAGE, cause="t/1", now=NOON
        )
        for who, amounts in ((buyer, [10 * CREDIT, -7]), (seller, [7])):
            account = selectors.get_account(actor=who, namespace_id=namespace_of(who))
            lines = [*selectors.whole_statement(account=account)]
            assert [one.amount_micros for one in lines] == amounts
            page, following = selectors.statement(account=account)
            assert (page, following) == (lines[::-1], None)
        move = Transfer.objects.get(cause="t/1")
        assert lines == [StatementLine(move.pk, NOON, "usage", 7, "t/1")]

    def test_in_whole_is_oldest_first(self) -> None:
        actor = trader()
        for amount in (1, 2, 3):
            fund(namespace_of(actor), amount)
        account = selectors.get_account(actor=actor, namespace_id=namespace_of(actor))
        amounts = [one.amount_micros // CREDIT for one in selectors.whole_statement(account=account)]
        assert amounts == [1, 2, 3]

    def test_has_at_most_five_hundred_lines_a_page(self) -> None:
        assert (selectors.SIZE.of(None), selectors.SIZE.of(501)) == (100, 500)


class TestStatementLine:
    def test_is_labelled_in_the_readers_language(self) -> None:
        assert line("x", "fee_refund").label == "fee refund"
        with translation.override("zh-hans"):
            assert line("x", "fee_refund").label == "退还手续费"

    @pytest.mark.parametrize(
        ("cause", "lease"),
        [
            ("lease/17/used/600", 17),
            ("lease/17", 17),
            ("lease/x/used", None),
            ("lease/", None),
            ("lease", None),
            ("order/17/used", None),
            ("deposit/lease/17", None),
        ],
    )
    def test_knows_the_lease_that_it_was_for(self, cause: str, lease: int | None) -> None:
        assert line(cause).lease_id == lease


def test_readable_accounts_and_readable_namespaces_agree() -> None:
    actor = trader()
    assert policies.readable_namespaces(actor) == {
        namespace.pk for namespace in selectors.readable_namespaces(actor=actor)
    }
