from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F

from compute_market.ledger import checks, postings, selectors, services
from compute_market.ledger.errors import (
    AccountNotFound,
    CauseReused,
    InsufficientFunds,
    MoneyFull,
    NotAMember,
    OperatorOnly,
    TradeScopeMissing,
)
from compute_market.ledger.models import Account, Reservation, Transfer
from compute_market.ledger.signals import bond_moved
from foundation.errors import Unauthenticated
from hub.accounts.principals import ANONYMOUS, SYSTEM
from tests.factories.market import CREDIT, NOON, namespace_of, operator, trader

pytestmark = pytest.mark.django_db


class TestOpenAccount:
    def test_opens_the_main_account_of_who_may_spend(self) -> None:
        actor = trader()
        account = services.open_account(actor=actor, namespace_id=namespace_of(actor), now=NOON)
        assert (account.kind, account.namespace_id, account.opened_at) == ("main", namespace_of(actor), NOON)
        assert services.open_account(actor=actor, namespace_id=namespace_of(actor), now=NOON) == account

    def test_of_somebody_else_is_not_found_and_not_opened(self) -> None:
        owner = trader()
        for actor, refusal in (
            (trader(), AccountNotFound),
            (trader(scopes=("deploy",)), TradeScopeMissing),
            (ANONYMOUS, Unauthenticated),
        ):
            with pytest.raises(refusal):
                services.open_account(actor=actor, namespace_id=namespace_of(owner), now=NOON)
        assert not Account.objects.exists()


class TestDeposit:
    def test_comes_from_outside_and_is_given_with_each_try(self) -> None:
        namespace = namespace_of(trader())
        moved = [
            services.deposit(actor=SYSTEM, namespace_id=namespace, amount_micros=5, key="wire-1", now=NOON)
            for _ in range(2)
        ]
        assert moved[0] == moved[1] == Transfer.objects.get()
        assert (moved[0].debit.kind, moved[0].credit.kind) == ("external", "main")
        assert moved[0].credit.namespace_id == namespace
        assert (moved[0].kind, moved[0].cause, moved[0].at) == ("deposit", "deposit/wire-1", NOON)

    @pytest.mark.parametrize("key", ["wire-1", "2026/03/wire", "k" * services.KEY_CHARS_MAX])
    def test_of_the_same_key_for_another_namespace_is_refused(self, key: str) -> None:
        services.deposit(
            actor=SYSTEM, namespace_id=namespace_of(trader()), amount_micros=5, key=key, now=NOON
        )
        with pytest.raises(CauseReused) as refusal:
            services.deposit(
                actor=SYSTEM, namespace_id=namespace_of(trader()), amount_micros=5, key=key, now=NOON
            )
        assert refusal.value.details == {"key": key}

    def test_has_a_cause_that_holds_the_longest_key(self) -> None:
        """SQLite takes longer texts than the column's; PostgreSQL refuses them with an error of its own."""
        longest = f"bond-release/{2**31}/{'k' * services.KEY_CHARS_MAX}"
        assert len(longest) <= (Transfer._meta.get_field("cause").max_length or 0)

    def test_fills_the_hub_to_the_last_micro_it_can_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(services, "MONEY_MAX_MICROS", 100)
        namespace = namespace_of(trader())

        def deposit(amount: int, key: str) -> Transfer:
            return services.deposit(
                actor=SYSTEM, namespace_id=namespace, amount_micros=amount, key=key, now=NOON
            )

        first = deposit(60, "1")
        for too_much in (41, 10**17):
            with pytest.raises(MoneyFull) as refusal:
                deposit(too_much, "2")
            assert refusal.value.details == {"left_micros": 40}
        deposit(40, "2")
        with pytest.raises(MoneyFull) as refusal:
            deposit(1, "3")
        assert refusal.value.details == {"left_micros": 0}
        assert deposit(60, "1") == first, "what was moved before needs no room"
        monkeypatch.setattr(services, "MONEY_MAX_MICROS", 50)
        with pytest.raises(MoneyFull) as refusal:
            deposit(1, "3")
        assert refusal.value.details == {"left_micros": 0}

    def test_leaves_a_column_room_for_twice_the_largest_sum(self) -> None:
        assert 2 * services.MONEY_MAX_MICROS < 2**63

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

    def test_goes_outside_once_for_a_key_however_full_the_hub_is(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        namespace = namespace_of(trader(funds=1))
        monkeypatch.setattr(services, "MONEY_MAX_MICROS", 1)
        for _ in range(2):
            moved = services.withdraw(
                actor=SYSTEM, namespace_id=namespace, amount_micros=5, key="k", now=NOON
            )
        assert (moved.debit.namespace_id, moved.credit.kind) == (namespace, "external")
        assert (moved.kind, moved.cause, moved.at) == ("withdrawal", "withdrawal/k", NOON)
        assert Account.objects.get(namespace_id=namespace).balance_micros == CREDIT - 5

    def test_is_for_operators_only(self) -> None:
        owner = trader(funds=1)
        with pytest.raises(OperatorOnly):
            services.withdraw(
                actor=owner, namespace_id=namespace_of(owner), amount_micros=5, key="k", now=NOON
            )


class TestBond:
    def test_is_announced_both_ways_within_the_commit(self) -> None:
        provider = trader(funds=10)
        namespace = namespace_of(provider)
        announced: list[tuple[dict[str, Any], int]] = []

        def hear(**said: Any) -> None:
            bond = Account.objects.get(namespace=namespace, kind="bond")
            announced.append((said, bond.balance_micros))

        bond_moved.connect(hear, weak=False, dispatch_uid="heard")
        try:
            for use_case, actor, amount in (
                (services.post_bond, provider, 7),
                (services.release_bond, SYSTEM, 3),
            ):
                use_case(actor=actor, namespace_id=namespace, amount_micros=amount, key="k", now=NOON)
        finally:
            bond_moved.disconnect(dispatch_uid="heard")
        said = {"signal": bond_moved, "sender": Account, "namespace_id": namespace, "now": NOON}
        assert announced == [(said, 7), (said, 4)]

    def test_moves_once_for_a_key_of_each_namespace_and_way(self) -> None:
        for provider in (trader(funds=10), trader(funds=10)):
            namespace = namespace_of(provider)
            for _ in range(2):
                posted = services.post_bond(
                    actor=provider, namespace_id=namespace, amount_micros=7, key="k", now=NOON
                )
                released = services.release_bond(
                    actor=SYSTEM, namespace_id=namespace, amount_micros=2, key="k", now=NOON
                )
            assert [one.kind for one in (posted.debit, posted.credit)] == ["main", "bond"]
            assert [one.kind for one in (released.debit, released.credit)] == ["bond", "main"]
            assert (posted.kind, posted.cause) == ("bond", f"bond/{namespace}/k")
            assert (released.kind, released.cause) == ("bond", f"bond-release/{namespace}/k")
            main, bond = selectors.balances(actor=provider, namespace_id=namespace)
            assert (main.balance_micros, bond.balance_micros) == (10 * CREDIT - 5, 5)

    def test_is_not_released_beyond_what_was_posted(self) -> None:
        provider = trader(funds=10)
        services.post_bond(
            actor=provider, namespace_id=namespace_of(provider), amount_micros=7, key="k", now=NOON
        )
        with pytest.raises(InsufficientFunds):
            services.release_bond(
                actor=SYSTEM, namespace_id=namespace_of(provider), amount_micros=8, key="k", now=NOON
            )

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


@pytest.mark.parametrize(
    "use_case", [services.deposit, services.withdraw, services.post_bond, services.release_bond]
)
def test_a_movement_is_a_commit_of_its_own(use_case: Callable[..., Transfer]) -> None:
    """A caller may rely on the answer: no transaction around it can be rolled back and undo it."""
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        use_case(actor=SYSTEM, namespace_id=namespace_of(trader()), amount_micros=5, key="k", now=NOON)


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

    def test_finds_nothing_in_right_books(self) -> None:
        account = postings.lock_account(namespace_id=namespace_of(trader(funds=1)), now=NOON)
        fees = postings.lock_accounts(ids=postings.shard_account_ids(shard=1, now=NOON))
        for number in range(2):
            hold = postings.reserve(account=account, amount_micros=9, cause=f"order/{number}", now=NOON)
            for part in range(2):
                postings.post(
                    reservation=hold,
                    debit=account,
                    credit=next(iter(fees.values())),
                    amount_micros=3,
                    kind="fee",
                    cause=f"trade/{number}/{part}",
                    now=NOON,
                    end=False,
                )
        assert checks.audit() == []

    def test_finds_a_sum_that_is_not_zero_alone_where_all_movements_agree(self) -> None:
        namespace = namespace_of(trader(funds=1))
        account = Account.objects.get(namespace_id=namespace)
        account.balance_micros -= 2
        account.save()
        assert checks.audit() == [
            "The ledger sums to -2 micro-credits, not to zero.",
            f"The {account} holds 999998; its movements say 1000000.",
        ]

    def test_finds_a_hold_that_differs_from_its_open_reservations(self) -> None:
        account = postings.lock_account(namespace_id=namespace_of(trader(funds=1)), now=NOON)
        postings.reserve(account=account, amount_micros=9, cause="order/1", now=NOON)
        over = postings.reserve(account=account, amount_micros=5, cause="order/2", now=NOON)
        postings.void(reservation=over, account=account, now=NOON)
        Reservation.objects.filter(cause="order/1").update(amount_micros=8)
        assert checks.audit() == [f"The {account} has 9 held; its open reservations say 8."]

    def test_finds_transfers_that_draw_on_no_reservation(self) -> None:
        account = postings.lock_account(namespace_id=namespace_of(trader(funds=1)), now=NOON)
        outside = Account.objects.get(kind="external")
        transfer = Transfer.objects.create(
            debit=account,
            credit=outside,
            amount_micros=5,
            kind="usage",
            cause="trade/1",
            at=NOON,
            reservation_id=987_654,
        )
        for end, sign in ((account, -1), (outside, 1)):
            Account.objects.filter(pk=end.pk).update(balance_micros=F("balance_micros") + sign * 5)
        assert transfer.reservation_id == 987_654
        assert checks.audit() == ["Transfers draw on reservation 987654, which is not there."]

    def test_finds_a_draw_that_was_not_counted(self) -> None:
        namespace = namespace_of(trader(funds=1))
        account = Account.objects.get(namespace_id=namespace)
        Reservation.objects.create(
            account=account,
            amount_micros=5,
            drawn_micros=1,
            state="posted",
            cause="x",
            opened_at=NOON,
            ended_at=NOON,
        )
        assert Transfer.objects.exclude(reservation=None).count() == 0
        reservation = Reservation.objects.get()
        assert f"The {reservation} says 1 drawn; its transfers differ." in checks.audit()
