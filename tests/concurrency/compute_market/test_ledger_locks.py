"""Each lock of the ledger in a pair: the race without it, and the same race with it."""

from __future__ import annotations

from functools import partial
from threading import Barrier

import pytest
from django.db import transaction

from compute_market.ledger import checks, postings, services
from compute_market.ledger.models import Account, Transfer
from hub.interface import SYSTEM
from tests.concurrency.races import kinds, race
from tests.factories.market import CREDIT, NOON, namespace_of, trader

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


class TestReserve:
    def test_without_the_lock_both_see_the_same_money_and_the_table_has_to_stop_one(self) -> None:
        namespace = namespace_of(trader(funds=100))
        both_have_read = Barrier(2)

        def unlocked(number: int) -> str:
            with transaction.atomic():
                account = postings.LockedAccount(Account.objects.get(namespace_id=namespace))
                both_have_read.wait(timeout=10)
                postings.reserve(
                    account=account, amount_micros=80 * CREDIT, cause=f"order/{number}", now=NOON
                )
            return "reserved"

        assert kinds(race(partial(unlocked, 1), partial(unlocked, 2))) == ["IntegrityError", "str"]
        assert checks.audit() == []

    def test_with_the_lock_the_second_is_refused_with_a_reason(self) -> None:
        namespace = namespace_of(trader(funds=100))

        def locked(number: int) -> str:
            with transaction.atomic():
                account = postings.lock_account(namespace_id=namespace, now=NOON)
                postings.reserve(
                    account=account, amount_micros=80 * CREDIT, cause=f"order/{number}", now=NOON
                )
            return "reserved"

        assert kinds(race(partial(locked, 1), partial(locked, 2))) == ["InsufficientFunds", "str"]
        assert checks.audit() == []


class TestDeposit:
    def test_without_the_lock_twins_collide_on_their_cause(self, monkeypatch: pytest.MonkeyPatch) -> None:
        namespace = namespace_of(trader(funds=1))
        both_have_looked = Barrier(2)
        find = postings.find_transfer

        def find_and_wait(cause: str) -> Transfer | None:
            found = find(cause)
            both_have_looked.wait(timeout=10)
            return found

        def unlocked(*, ids: list[int]) -> dict[int, Account]:
            return Account.objects.in_bulk(ids)

        monkeypatch.setattr(postings, "find_transfer", find_and_wait)
        monkeypatch.setattr(postings, "lock_accounts", unlocked)
        outcomes = race(*[partial(self.deposit, namespace)] * 2)
        assert kinds(outcomes) == ["IntegrityError", "Transfer"]

    def test_with_the_lock_twins_get_one_and_the_same_movement(self) -> None:
        namespace = namespace_of(trader(funds=1))
        outcomes = race(*[partial(self.deposit, namespace)] * 4)
        assert kinds(outcomes) == ["Transfer"] * 4
        assert len(set(outcomes)) == 1
        assert Account.objects.get(namespace_id=namespace).balance_micros == CREDIT + 5

    def deposit(self, namespace: int) -> Transfer:
        return services.deposit(
            actor=SYSTEM, namespace_id=namespace, amount_micros=5, key="payment-1", now=NOON
        )


class TestManyAccounts:
    def test_locked_in_opposite_orders_do_not_deadlock(self) -> None:
        spaces = [namespace_of(trader(funds=100)) for _ in range(2)]
        ids = list(Account.objects.filter(namespace_id__in=spaces).values_list("pk", flat=True))

        def swap(first: int, second: int) -> str:
            for number in range(30):
                with transaction.atomic():
                    locked = postings.lock_accounts(ids=[first, second])
                    postings.transfer(
                        debit=locked[first],
                        credit=locked[second],
                        amount_micros=1,
                        kind=Transfer.Kind.CORRECTION,
                        cause=f"{first}/{number}",
                        now=NOON,
                    )
            return "done"

        assert race(partial(swap, *ids), partial(swap, *reversed(ids))) == ["done", "done"]
        assert checks.audit() == []
