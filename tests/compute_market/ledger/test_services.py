from __future__ import annotations

import pytest

from compute_market.ledger import checks, selectors, services
from compute_market.ledger.errors import (
    AccountNotFound,
    CauseReused,
    InsufficientFunds,
    NotAMember,
    OperatorOnly,
    TradeScopeMissing,
)
from compute_market.ledger.models import Account, Reservation, Transfer
from foundation.errors import Unauthenticated
from hub.accounts.principals import ANONYMOUS
from tests.factories.market import CREDIT, NOON, namespace_of, operator, trader

pytestmark = pytest.mark.django_db


class TestDeposit:
    def test_of_the_same_key_moves_money_once(self) -> None:
        actor, namespace = operator(), namespace_of(trader())
        for _ in range(3):
            services.deposit(actor=actor, namespace_id=namespace, amount_micros=5, key="wire-1", now=NOON)
        assert Account.objects.get(namespace_id=namespace).balance_micros == 5

    def test_of_the_same_key_and_another_amount_is_refused(self) -> None:
        actor, namespace = operator(), namespace_of(trader())
        services.deposit(actor=actor, namespace_id=namespace, amount_micros=5, key="wire-1", now=NOON)
        with pytest.raises(CauseReused):
            services.deposit(actor=actor, namespace_id=namespace, amount_micros=6, key="wire-1", now=NOON)

    def test_is_for_operators_only(self) -> None:
        person = trader()
        for actor, refusal in ((person, OperatorOnly), (ANONYMOUS, Unauthenticated)):
            with pytest.raises(refusal):
                services.deposit(
                    actor=actor, namespace_id=namespace_of(person), amount_micros=5, key="k", now=NOON
                )


class TestWithdraw:
    def test_takes_no_more_than_is_available(self) -> None:
        namespace = namespace_of(trader(funds=1))
        with pytest.raises(InsufficientFunds):
            services.withdraw(
                actor=operator(), namespace_id=namespace, amount_micros=CREDIT + 1, key="k", now=NOON
            )
        services.withdraw(actor=operator(), namespace_id=namespace, amount_micros=CREDIT, key="k", now=NOON)
        assert Account.objects.get(namespace_id=namespace).balance_micros == 0


class TestBond:
    def test_is_posted_by_the_provider_and_released_by_an_operator(self) -> None:
        provider = trader(funds=10)
        namespace = namespace_of(provider)
        services.post_bond(actor=provider, namespace_id=namespace, amount_micros=7, key="k", now=NOON)
        with pytest.raises(OperatorOnly):
            services.release_bond(actor=provider, namespace_id=namespace, amount_micros=7, key="k", now=NOON)
        services.release_bond(actor=operator(), namespace_id=namespace, amount_micros=3, key="k", now=NOON)
        main, bond = selectors.balances(actor=provider, namespace_id=namespace)
        assert (main.balance_micros, bond.balance_micros) == (10 * CREDIT - 4, 4)

    def test_of_somebody_else_cannot_be_posted(self) -> None:
        with pytest.raises(NotAMember):
            services.post_bond(
                actor=trader(), namespace_id=namespace_of(trader()), amount_micros=7, key="k", now=NOON
            )

    def test_needs_the_trade_scope(self) -> None:
        provider = trader(funds=10, scopes=("read", "write"))
        with pytest.raises(TradeScopeMissing):
            services.post_bond(
                actor=provider, namespace_id=namespace_of(provider), amount_micros=7, key="k", now=NOON
            )


class TestStatement:
    def test_is_read_in_pages_newest_first(self) -> None:
        person, actor = trader(), operator()
        namespace = namespace_of(person)
        for number in range(1, 6):
            services.deposit(
                actor=actor, namespace_id=namespace, amount_micros=number, key=f"{number}", now=NOON
            )
        account = selectors.get_account(actor=person, namespace_id=namespace)
        first, cursor = selectors.statement(account=account, limit=3)
        second, end = selectors.statement(account=account, limit=3, before=cursor)
        assert [line.amount_micros for line in first + second] == [5, 4, 3, 2, 1]
        assert end is None

    def test_of_somebody_else_is_not_found(self) -> None:
        namespace = namespace_of(trader(funds=1))
        with pytest.raises(AccountNotFound):
            selectors.get_account(actor=trader(), namespace_id=namespace)


@pytest.mark.breaks_the_books
class TestAudit:
    def test_finds_a_balance_that_its_movements_do_not_bear_out(self) -> None:
        namespace = namespace_of(trader(funds=1))
        Account.objects.filter(namespace_id=namespace).update(balance_micros=CREDIT + 1)
        findings = checks.audit()
        assert any("sums to 1 " in finding for finding in findings)
        assert any("its movements say 1000000" in finding for finding in findings)

    def test_finds_a_hold_without_a_reservation(self) -> None:
        namespace = namespace_of(trader(funds=1))
        Account.objects.filter(namespace_id=namespace).update(held_micros=3)
        assert any("3 held" in finding for finding in checks.audit())

    @pytest.mark.postgres
    def test_finds_a_movement_of_an_account_that_is_not_there(self) -> None:
        namespace = namespace_of(trader(funds=1))
        account = Account.objects.get(namespace_id=namespace)
        account.pk += 1_000_000
        Transfer.objects.create(
            debit=account,
            credit_id=account.pk - 1_000_000,
            amount_micros=5,
            kind="refund",
            cause="x",
            at=NOON,
        )
        assert f"Transfers name account {account.pk}, which is not there." in checks.audit()

    def test_finds_a_draw_that_was_not_counted(self) -> None:
        namespace = namespace_of(trader(funds=1))
        account = Account.objects.get(namespace_id=namespace)
        Reservation.objects.create(
            account=account,
            amount_micros=5,
            drawn_micros=5,
            state="posted",
            cause="x",
            opened_at=NOON,
            ended_at=NOON,
        )
        assert Transfer.objects.exclude(reservation=None).count() == 0
        assert any("transfers differ" in finding for finding in checks.audit())
