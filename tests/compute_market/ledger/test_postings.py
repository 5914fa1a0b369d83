from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from compute_market.ledger import jobs, postings, tasks
from compute_market.ledger.errors import AccountNotFound, AmountInvalid, InsufficientFunds, ReservationEnded
from compute_market.ledger.models import AMOUNT_MAX_MICROS, Account, AccountEvent, Reservation, Transfer
from foundation.clock import database_now
from foundation.database.cursors import pipelined
from tests.factories.market import CREDIT, NOON, fund, namespace_of, trader

pytestmark = pytest.mark.django_db


@pytest.fixture
def buyer() -> int:
    return namespace_of(trader(funds=100))


@pytest.fixture
def seller() -> int:
    return namespace_of(trader())


def lock(namespace_id: int) -> postings.LockedAccount:
    return postings.lock_account(namespace_id=namespace_id, now=NOON)


def stored(namespace_id: int) -> tuple[int, int]:
    account = Account.objects.get(namespace_id=namespace_id, kind="main")
    return account.balance_micros, account.held_micros


class TestOpenAccount:
    def test_opens_one_account_for_each_kind_and_owner(self, seller: int) -> None:
        main = postings.open_account(kind="main", namespace_id=seller, now=NOON)
        assert (main.kind, main.namespace_id, main.shard, main.opened_at) == ("main", seller, None, NOON)
        later = NOON + timedelta(days=1)
        again = postings.open_account(kind="main", namespace_id=seller, now=later)
        assert (again.pk, again.opened_at) == (main.pk, NOON)
        assert postings.open_account(kind="bond", namespace_id=seller, now=NOON).pk != main.pk

    def test_gives_the_accounts_of_many_namespaces(
        self, buyer: int, seller: int, django_assert_num_queries: Any
    ) -> None:
        ids = postings.account_ids(namespace_ids=[seller, buyer], now=NOON)
        assert ids == {
            namespace: Account.objects.get(namespace_id=namespace, kind="main").pk
            for namespace in (buyer, seller)
        }
        bonds = postings.account_ids(namespace_ids=[seller], kind="bond", now=NOON)
        assert bonds == {seller: Account.objects.get(namespace_id=seller, kind="bond").pk}
        assert postings.account_ids(namespace_ids=[], now=NOON) == {}
        with django_assert_num_queries(1):
            postings.account_ids(namespace_ids=[seller, buyer], now=NOON)

    def test_gives_a_shards_accounts_the_same_each_time(self, django_assert_num_queries: Any) -> None:
        escrow, fees = postings.shard_account_ids(shard=3, now=NOON)
        assert [Account.objects.get(pk=pk).kind for pk in (escrow, fees)] == ["escrow", "fees"]
        with django_assert_num_queries(1):
            assert postings.shard_account_ids(shard=3, now=NOON) == (escrow, fees)
        others = postings.shard_account_ids(shard=4, now=NOON)
        assert not {escrow, fees} & set(others)


class TestLock:
    @pytest.mark.django_db(transaction=True)
    def test_needs_a_transaction_that_keeps_it(self, buyer: int, seller: int) -> None:
        fund(seller, 1)
        with pytest.raises(transaction.TransactionManagementError):
            lock(buyer)
        locks: tuple[Callable[[], object], ...] = (
            lambda: postings.lock_accounts(ids=[1]),
            lambda: postings.lock_main_accounts(namespace_ids=[buyer, seller], now=NOON),
        )
        for many in locks:
            with pytest.raises(transaction.TransactionManagementError, match=r"^A lock needs a transaction"):
                many()

    def test_opens_an_account_at_the_first_need_of_it(self, seller: int) -> None:
        assert lock(seller).available_micros == 0

    def test_gives_many_accounts_by_id(self, buyer: int, seller: int) -> None:
        ids = [lock(seller).pk, lock(buyer).pk]
        assert list(postings.lock_accounts(ids=[*ids, *ids])) == sorted(ids)

    def test_names_the_accounts_that_are_missing(self, buyer: int) -> None:
        missing = lock(buyer).pk + 1000
        with pytest.raises(AccountNotFound) as refusal:
            postings.lock_accounts(ids=[missing + 1, lock(buyer).pk, missing])
        assert refusal.value.details == {"missing": [missing, missing + 1]}

    def test_comes_with_the_namespace(self, buyer: int, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(1):
            account = lock(buyer)
            assert account.namespace is not None
            assert account.namespace.pk == buyer

    def test_of_the_bond_is_not_that_of_the_main_account(self, buyer: int) -> None:
        bond = postings.lock_account(namespace_id=buyer, now=NOON, kind="bond")
        assert (bond.kind, bond.balance_micros) == ("bond", 0)
        assert lock(buyer).balance_micros == 100 * CREDIT

    @pytest.mark.parametrize("amount", [0, 1, 2, 3])
    def test_of_any_number_of_main_accounts_opens_those_that_are_missing(self, amount: int) -> None:
        namespaces = [namespace_of(trader(funds=funds)) for funds in (2, 0, 1)][:amount]
        locked = postings.lock_main_accounts(namespace_ids=namespaces, now=NOON)
        assert set(locked) == set(namespaces)
        funds = [locked[pk].balance_micros // CREDIT for pk in namespaces]
        assert funds == [2, 0, 1][:amount]
        assert {account.kind for account in locked.values()} <= {"main"}
        assert [account.namespace_id for account in locked.values()] == [*locked]

    @pytest.mark.parametrize("amount", [1, 2, 3])
    def test_of_many_main_accounts_is_one_statement(
        self, amount: int, django_assert_num_queries: Any
    ) -> None:
        namespaces = [namespace_of(trader(funds=1)) for _ in range(amount)]
        with django_assert_num_queries(1):
            locked = postings.lock_main_accounts(namespace_ids=namespaces, now=NOON)
        assert len(locked) == amount


class TestReserve:
    def test_makes_money_unavailable_and_leaves_it_in_the_account(self, buyer: int) -> None:
        postings.reserve(account=lock(buyer), amount_micros=40 * CREDIT, cause="order/1", now=NOON)
        assert stored(buyer) == (100 * CREDIT, 40 * CREDIT)

    def test_refuses_more_than_the_available_balance(self, buyer: int) -> None:
        postings.reserve(account=lock(buyer), amount_micros=40 * CREDIT, cause="order/1", now=NOON)
        with pytest.raises(InsufficientFunds) as refusal:
            postings.reserve(account=lock(buyer), amount_micros=60 * CREDIT + 1, cause="order/2", now=NOON)
        assert refusal.value.details == {
            "available_micros": 60 * CREDIT,
            "needed_micros": 60 * CREDIT + 1,
            "available": "60.00",
            "needed": "60.000001",
        }
        assert stored(buyer) == (100 * CREDIT, 40 * CREDIT)

    @pytest.mark.parametrize("amount", [0, -1, 1.0, True, "5", 10**18])
    def test_takes_whole_positive_amounts_in_range_only(self, buyer: int, amount: object) -> None:
        with pytest.raises(AmountInvalid):
            postings.reserve(account=lock(buyer), amount_micros=amount, cause="order/1", now=NOON)

    def test_of_the_same_cause_cannot_be_made_twice(self, buyer: int) -> None:
        postings.reserve(account=lock(buyer), amount_micros=1, cause="order/1", now=NOON)
        with pytest.raises(IntegrityError, match=r"(?i)unique.*cause"), transaction.atomic():
            postings.reserve(account=lock(buyer), amount_micros=1, cause="order/1", now=NOON)

    def test_takes_all_that_is_available_and_the_largest_amount(self, buyer: int) -> None:
        until = NOON + timedelta(hours=1)
        hold = postings.reserve(
            account=lock(buyer), amount_micros=100 * CREDIT, cause="order/1", now=NOON, expires_at=until
        )
        row = Reservation.objects.get()
        assert (row, row.account.namespace_id, row.amount_micros - row.drawn_micros) == (
            hold,
            buyer,
            100 * CREDIT,
        )
        assert (row.state, row.drawn_micros, row.ended_at) == ("open", 0, None)
        assert (row.cause, row.opened_at, row.expires_at) == ("order/1", NOON, until)
        with pytest.raises(InsufficientFunds):
            postings.reserve(account=lock(buyer), amount_micros=1, cause="order/2", now=NOON)
        with pytest.raises(InsufficientFunds):
            postings.reserve(account=lock(buyer), amount_micros=AMOUNT_MAX_MICROS, cause="o/3", now=NOON)
        with pytest.raises(AmountInvalid) as refusal:
            postings.reserve(account=lock(buyer), amount_micros=AMOUNT_MAX_MICROS + 1, cause="o/4", now=NOON)
        assert refusal.value.details == {"amount_max_micros": AMOUNT_MAX_MICROS}


class TestLoadReservations:
    def test_gives_what_a_journal_needs_of_each(self, buyer: int) -> None:
        payer = lock(buyer)
        one, two, _ = [
            postings.reserve(account=payer, amount_micros=n, cause=f"order/{n}", now=NOON) for n in (1, 2, 3)
        ]
        rows = postings.load_reservations(ids=[two.pk, one.pk, one.pk])
        assert {
            pk: (row.pk, row.account_id, row.amount_micros, row.drawn_micros, row.state, row.ended_at)
            for pk, row in rows.items()
        } == {
            one.pk: (one.pk, payer.pk, 1, 0, "open", None),
            two.pk: (two.pk, payer.pk, 2, 0, "open", None),
        }

    def test_asks_nothing_where_none_are_wanted(self, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0):
            assert postings.load_reservations(ids=[]) == {}


class TestPost:
    def test_leaves_the_rest_reserved_unless_it_is_the_end(self, buyer: int, seller: int) -> None:
        hold = postings.reserve(account=lock(buyer), amount_micros=40, cause="order/1", now=NOON)
        postings.post(
            reservation=hold,
            debit=lock(buyer),
            credit=lock(seller),
            amount_micros=30,
            kind=Transfer.Kind.USAGE,
            cause="trade/1",
            now=NOON,
            end=False,
        )
        assert (stored(buyer), stored(seller)) == ((100 * CREDIT - 30, 10), (30, 0))
        row = Reservation.objects.get()
        assert (row.state, row.drawn_micros, row.ended_at) == ("open", 30, None)
        moved = Transfer.objects.get(cause="trade/1")
        assert (moved.debit_id, moved.credit_id) == (lock(buyer).pk, lock(seller).pk)
        assert (moved.amount_micros, moved.kind, moved.reservation_id, moved.at) == (
            30,
            "usage",
            row.pk,
            NOON,
        )

    def test_moves_a_part_and_gives_the_rest_back(self, buyer: int, seller: int) -> None:
        payer = lock(buyer)
        hold = postings.reserve(account=payer, amount_micros=40, cause="order/1", now=NOON)
        postings.post(
            reservation=hold,
            debit=payer,
            credit=lock(seller),
            amount_micros=30,
            kind=Transfer.Kind.USAGE,
            cause="trade/1",
            now=NOON,
        )
        assert stored(buyer) == (100 * CREDIT - 30, 0)
        assert stored(seller) == (30, 0)
        assert Reservation.objects.get().state == Reservation.State.POSTED

    def test_draws_many_times_and_ends_once(self, buyer: int, seller: int) -> None:
        journal = postings.Journal(accounts=[lock(buyer), lock(seller)], now=NOON)
        payer, payee = journal.accounts
        hold = journal.reserve(account_id=payer, amount_micros=100, cause="order/1")
        journal.write()
        for number in range(3):
            journal.draw(
                reservation=hold, credit_id=payee, amount_micros=20, kind="usage", cause=f"trade/{number}"
            )
        assert journal.end(reservation=hold) == 40
        with pytest.raises(ReservationEnded):
            journal.end(reservation=hold)
        with pytest.raises(ReservationEnded):
            journal.draw(reservation=hold, credit_id=payee, amount_micros=1, kind="usage", cause="trade/9")
        journal.write()
        assert stored(buyer) == (100 * CREDIT - 60, 0)
        row = Reservation.objects.get()
        assert (row.state, row.drawn_micros, row.ended_at) == ("posted", 60, NOON)

    def test_refuses_more_than_was_reserved(self, buyer: int, seller: int) -> None:
        payer = lock(buyer)
        hold = postings.reserve(account=payer, amount_micros=40, cause="order/1", now=NOON)
        with pytest.raises(ReservationEnded):
            postings.post(
                reservation=hold,
                debit=payer,
                credit=lock(seller),
                amount_micros=41,
                kind=Transfer.Kind.USAGE,
                cause="trade/1",
                now=NOON,
            )

    def test_of_the_same_cause_cannot_be_made_twice(self, buyer: int, seller: int) -> None:
        def pay() -> None:
            postings.transfer(
                debit=lock(buyer),
                credit=lock(seller),
                amount_micros=7,
                kind=Transfer.Kind.USAGE,
                cause="trade/1",
                now=NOON,
            )

        pay()
        with pytest.raises(IntegrityError, match=r"(?i)unique.*cause"), transaction.atomic():
            pay()
        assert stored(seller) == (7, 0)


class TestVoid:
    def test_gives_everything_back_once(self, buyer: int) -> None:
        account = lock(buyer)
        hold = postings.reserve(account=account, amount_micros=40, cause="order/1", now=NOON)
        assert postings.void(reservation=hold, account=account, now=NOON) == 40
        with pytest.raises(ReservationEnded):
            postings.void(reservation=hold, account=account, now=NOON)
        assert stored(buyer) == (100 * CREDIT, 0)

    def test_behind_the_lock_is_a_bug_and_not_a_refusal(self, buyer: int) -> None:
        account = lock(buyer)
        hold = postings.reserve(account=account, amount_micros=40, cause="order/1", now=NOON)
        stale = Reservation.objects.get()
        postings.void(reservation=hold, account=account, now=NOON)
        with pytest.raises(RuntimeError, match="behind the lock"):
            postings.void(reservation=stale, account=lock(buyer), now=NOON)

    def test_behind_the_lock_is_found_out_before_the_commit_if_nobody_waits(self, buyer: int) -> None:
        hold = postings.reserve(account=lock(buyer), amount_micros=40, cause="order/1", now=NOON)
        stale = postings.load_reservations(ids=[hold.pk])[hold.pk]
        other = postings.reserve(account=lock(buyer), amount_micros=40, cause="order/2", now=NOON)
        postings.void(reservation=hold, account=lock(buyer), now=NOON)
        with pytest.raises(RuntimeError, match="1 reservations ended behind the lock"), transaction.atomic():
            account = lock(buyer)
            journal = postings.Journal(accounts=[account], now=NOON)
            with pipelined():
                journal.end(reservation=stale)
                journal.send()
                journal.confirm()
        assert stored(buyer) == (100 * CREDIT, other.amount_micros)


class TestExpiry:
    def test_comes_at_its_time_and_not_before(self, buyer: int) -> None:
        end = NOON + timedelta(hours=1)
        postings.reserve(account=lock(buyer), amount_micros=40, cause="order/1", now=NOON, expires_at=end)
        assert jobs.expire_reservations(now=end - timedelta(seconds=1)) == 0
        assert jobs.expire_reservations(now=end) == 1
        assert jobs.expire_reservations(now=end) == 0
        assert stored(buyer) == (100 * CREDIT, 0)
        assert Reservation.objects.get().state == Reservation.State.EXPIRED

    def test_is_done_a_batch_at_a_time_and_leaves_what_has_no_end(
        self, buyer: int, seller: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jobs, "BATCH", 2)
        fund(seller, 1)
        for number, namespace in enumerate((buyer, seller, buyer)):
            postings.reserve(
                account=lock(namespace), amount_micros=1, cause=f"order/{number}", now=NOON, expires_at=NOON
            )
        postings.reserve(account=lock(buyer), amount_micros=5, cause="order/9", now=NOON)
        assert [jobs.expire_reservations(now=NOON) for _ in range(3)] == [2, 1, 0]
        assert (stored(buyer), stored(seller)) == ((100 * CREDIT, 5), (CREDIT, 0))

    def test_passes_over_what_ended_since_it_was_found(
        self, buyer: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        holds = [
            postings.reserve(account=lock(buyer), amount_micros=1, cause=cause, now=NOON, expires_at=NOON)
            for cause in ("order/1", "order/2")
        ]
        lock_accounts = postings.lock_accounts

        def late(*, ids: set[int]) -> dict[int, postings.LockedAccount]:
            """Another process ends one of them while this one waits for the locks."""
            monkeypatch.undo()
            postings.void(reservation=holds[0], account=lock(buyer), now=NOON)
            return lock_accounts(ids=ids)

        monkeypatch.setattr(postings, "lock_accounts", late)
        assert jobs.expire_reservations(now=NOON) == 1
        assert [row.state for row in Reservation.objects.order_by("pk")] == ["voided", "expired"]
        assert stored(buyer) == (100 * CREDIT, 0)

    def test_is_a_commit_of_its_own(self, buyer: int) -> None:
        postings.reserve(account=lock(buyer), amount_micros=1, cause="order/1", now=NOON, expires_at=NOON)
        with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
            jobs.expire_reservations(now=NOON)

    def test_is_a_task_by_the_clock_of_the_database(self, buyer: int) -> None:
        now = database_now()
        for cause, end in (("order/1", now - timedelta(hours=1)), ("order/2", now + timedelta(hours=1))):
            postings.reserve(account=lock(buyer), amount_micros=1, cause=cause, now=NOON, expires_at=end)
        tasks.expire_reservations()
        assert [row.state for row in Reservation.objects.order_by("pk")] == ["expired", "open"]


class TestTransfer:
    def test_moves_all_that_is_available(self, buyer: int, seller: int) -> None:
        account = lock(buyer)
        postings.reserve(account=account, amount_micros=40 * CREDIT, cause="order/1", now=NOON)
        postings.transfer(
            debit=account,
            credit=lock(seller),
            amount_micros=60 * CREDIT,
            kind=Transfer.Kind.REFUND,
            cause="trade/1",
            now=NOON,
        )
        assert (stored(buyer), stored(seller)) == ((40 * CREDIT, 40 * CREDIT), (60 * CREDIT, 0))
        moved = postings.find_transfer("trade/1")
        assert moved is not None
        assert (moved.kind, moved.reservation_id, moved.at) == ("refund", None, NOON)
        assert postings.find_transfer("trade/2") is None

    @pytest.mark.parametrize("amount", [0, -1, 1.0, AMOUNT_MAX_MICROS + 1])
    def test_takes_whole_positive_amounts_in_range_only(self, buyer: int, seller: int, amount: Any) -> None:
        with pytest.raises(AmountInvalid):
            postings.transfer(
                debit=lock(buyer),
                credit=lock(seller),
                amount_micros=amount,
                kind="usage",
                cause="x",
                now=NOON,
            )

    def test_cannot_spend_what_is_held(self, buyer: int, seller: int) -> None:
        account = lock(buyer)
        postings.reserve(account=account, amount_micros=100 * CREDIT, cause="order/1", now=NOON)
        with pytest.raises(InsufficientFunds):
            postings.transfer(
                debit=account,
                credit=lock(seller),
                amount_micros=1,
                kind=Transfer.Kind.USAGE,
                cause="trade/1",
                now=NOON,
            )
        with pytest.raises(InsufficientFunds) as refusal:
            postings.transfer(
                debit=lock(seller), credit=account, amount_micros=5, kind="usage", cause="trade/1", now=NOON
            )
        assert refusal.value.details["available_micros"] == 0
        assert refusal.value.details["needed_micros"] == 5


class TestJournal:
    def test_keeps_its_accounts_as_the_next_movement_finds_them(self, buyer: int, seller: int) -> None:
        journal = postings.Journal(accounts=[lock(buyer), lock(seller)], now=NOON)
        payer, payee = journal.accounts.values()
        hold = journal.reserve(account_id=payer.pk, amount_micros=60 * CREDIT, cause="order/1")
        assert (payer.available_micros, payee.available_micros) == (40 * CREDIT, 0)
        journal.draw(
            reservation=hold, credit_id=payee.pk, amount_micros=20 * CREDIT, kind="usage", cause="trade/1"
        )
        assert (payer.balance_micros, payer.held_micros) == (80 * CREDIT, 40 * CREDIT)
        journal.transfer(
            debit_id=payee.pk, credit_id=payer.pk, amount_micros=5 * CREDIT, kind="refund", cause="refund/1"
        )
        assert (payer.balance_micros, payee.balance_micros) == (85 * CREDIT, 15 * CREDIT)
        assert journal.end(reservation=hold) == 40 * CREDIT
        assert (payer.balance_micros, payer.held_micros) == (85 * CREDIT, 0)
        journal.write()
        assert (stored(buyer), stored(seller)) == ((85 * CREDIT, 0), (15 * CREDIT, 0))

    def test_draws_on_a_reservation_of_the_same_commit(self, buyer: int, seller: int) -> None:
        journal = postings.Journal(accounts=[lock(buyer), lock(seller)], now=NOON)
        payer, payee = journal.accounts
        holds = [journal.reserve(account_id=payer, amount_micros=9, cause=f"order/{n}") for n in range(3)]
        journal.draw(reservation=holds[1], credit_id=payee, amount_micros=4, kind="usage", cause="trade/1")
        journal.end(reservation=holds[2])
        journal.write()
        rows = Reservation.objects.order_by("pk").values_list("pk", "state", "drawn_micros", "ended_at")
        assert [*rows] == [
            (holds[0].pk, "open", 0, None),
            (holds[1].pk, "open", 4, None),
            (holds[2].pk, "voided", 0, NOON),
        ]
        assert Transfer.objects.get(cause="trade/1").reservation_id == holds[1].pk
        assert stored(buyer) == (100 * CREDIT - 4, 14)

    def test_draws_up_to_the_last_micro_of_each_reservation_alone(self, buyer: int, seller: int) -> None:
        journal = postings.Journal(accounts=[lock(buyer), lock(seller)], now=NOON)
        payer, payee = journal.accounts
        mine = journal.reserve(account_id=payer, amount_micros=10, cause="order/1")
        journal.reserve(account_id=payer, amount_micros=10, cause="order/2")
        for cause, amount in (("trade/1", 7), ("trade/2", 3)):
            journal.draw(reservation=mine, credit_id=payee, amount_micros=amount, kind="usage", cause=cause)
        with pytest.raises(ReservationEnded) as refusal:
            journal.draw(reservation=mine, credit_id=payee, amount_micros=1, kind="usage", cause="trade/3")
        assert refusal.value.details == {"reservation_id": mine.pk}
        assert (mine.drawn_micros, mine.state) == (10, "open")

    @pytest.mark.parametrize("amount", [0, -1, 1.0, True])
    def test_draws_whole_positive_amounts_only(self, buyer: int, seller: int, amount: Any) -> None:
        journal = postings.Journal(accounts=[lock(buyer), lock(seller)], now=NOON)
        payer, payee = journal.accounts
        hold = journal.reserve(account_id=payer, amount_micros=10, cause="order/1")
        with pytest.raises(AmountInvalid):
            journal.draw(reservation=hold, credit_id=payee, amount_micros=amount, kind="usage", cause="t/1")

    @pytest.mark.parametrize(
        ("drawn", "expired", "state"),
        [(3, False, "posted"), (3, True, "posted"), (0, False, "voided"), (0, True, "expired")],
    )
    def test_ends_a_reservation_as_what_it_was(
        self, buyer: int, seller: int, drawn: int, expired: bool, state: str
    ) -> None:
        hold = postings.reserve(account=lock(buyer), amount_micros=10, cause="order/1", now=NOON)
        later = NOON + timedelta(hours=1)
        journal = postings.Journal(accounts=[lock(buyer), lock(seller)], now=later)
        _, payee = journal.accounts
        if drawn:
            journal.draw(
                reservation=hold, credit_id=payee, amount_micros=drawn, kind="usage", cause="trade/1"
            )
        assert journal.end(reservation=hold, expired=expired) == 10 - drawn
        journal.write()
        row = Reservation.objects.get()
        assert (row.state, row.drawn_micros, row.ended_at) == (state, drawn, later)
        assert stored(buyer) == (100 * CREDIT - drawn, 0)

    def test_shrinks_what_a_reservation_promises(self, buyer: int, seller: int) -> None:
        hold = postings.reserve(account=lock(buyer), amount_micros=100, cause="order/1", now=NOON)
        journal = postings.Journal(accounts=[lock(buyer), lock(seller)], now=NOON)
        payer, payee = journal.accounts
        journal.draw(reservation=hold, credit_id=payee, amount_micros=30, kind="usage", cause="trade/1")
        journal.shrink(reservation=hold, left_micros=50)
        assert (hold.amount_micros, journal.accounts[payer].held_micros) == (80, 50)
        journal.write()
        assert stored(buyer) == (100 * CREDIT - 30, 50)
        row = Reservation.objects.get()
        assert (row.amount_micros, row.drawn_micros, row.amount_micros - row.drawn_micros) == (80, 30, 50)

    def test_shrinks_one_that_was_not_drawn_on(self, buyer: int) -> None:
        hold = postings.reserve(account=lock(buyer), amount_micros=100, cause="order/1", now=NOON)
        journal = postings.Journal(accounts=[lock(buyer)], now=NOON)
        journal.shrink(reservation=hold, left_micros=1)
        journal.write()
        assert Reservation.objects.get().amount_micros == 1
        assert stored(buyer) == (100 * CREDIT, 1)

    def test_without_movements_has_nothing_to_confirm(self, buyer: int) -> None:
        journal = postings.Journal(accounts=[lock(buyer)], now=NOON)
        journal.confirm()
        journal.send()
        journal.confirm()
        assert stored(buyer) == (100 * CREDIT, 0)

    def test_sent_within_a_pipeline_writes_the_same(self, buyer: int, seller: int) -> None:
        hold = postings.reserve(account=lock(buyer), amount_micros=40, cause="order/1", now=NOON)
        journal = postings.Journal(accounts=[lock(buyer), lock(seller)], now=NOON)
        _, payee = journal.accounts
        AccountEvent.objects.all().delete()
        with pipelined():
            journal.draw(reservation=hold, credit_id=payee, amount_micros=30, kind="usage", cause="trade/1")
            journal.send()
            assert journal.changed_accounts() == []
            journal.confirm()
        assert (stored(buyer), stored(seller)) == ((100 * CREDIT - 30, 10), (30, 0))
        assert Transfer.objects.get(cause="trade/1").reservation_id == hold.pk
        assert not AccountEvent.objects.exists(), "the sender tells of it with its own changes"

    def test_shrinks_nothing_where_as_much_is_left(self, buyer: int, django_assert_num_queries: Any) -> None:
        hold = postings.reserve(account=lock(buyer), amount_micros=100, cause="order/1", now=NOON)
        journal = postings.Journal(accounts=[lock(buyer)], now=NOON)
        journal.shrink(reservation=hold, left_micros=100)
        with django_assert_num_queries(0):
            journal.write()
        with pytest.raises(ReservationEnded) as refusal:
            journal.shrink(reservation=hold, left_micros=101)
        assert refusal.value.details == {"reservation_id": hold.pk}
        journal.shrink(reservation=hold, left_micros=99)
        journal.end(reservation=hold)
        with pytest.raises(ReservationEnded):
            journal.shrink(reservation=hold, left_micros=0)
        journal.write()
        assert stored(buyer) == (100 * CREDIT, 0)

    def test_written_twice_writes_once(self, buyer: int, seller: int, django_assert_num_queries: Any) -> None:
        journal = postings.Journal(accounts=[lock(buyer), lock(seller)], now=NOON)
        payer, payee = journal.accounts
        hold = journal.reserve(account_id=payer, amount_micros=9, cause="order/1")
        journal.write()
        journal.draw(reservation=hold, credit_id=payee, amount_micros=4, kind="usage", cause="trade/1")
        assert [account.pk for account in journal.changed_accounts()] == [payer, payee]
        journal.write()
        assert journal.changed_accounts() == []
        with django_assert_num_queries(0):
            journal.write()
        assert (stored(buyer), stored(seller)) == ((100 * CREDIT - 4, 5), (4, 0))

    @pytest.mark.parametrize("is_told", [True, False])
    def test_tells_the_owners_of_what_changed_unless_somebody_else_does(
        self, buyer: int, seller: int, is_told: bool
    ) -> None:
        AccountEvent.objects.all().delete()
        locked = [lock(buyer), lock(seller)]
        journal = postings.Journal(accounts=locked, now=NOON, is_told=is_told)
        journal.reserve(account_id=locked[0].pk, amount_micros=9, cause="order/1")
        journal.write()
        events = AccountEvent.objects.values_list("account", "payload", "at")
        told = [(locked[0].pk, {"balances": [["main", 100 * CREDIT, 9]]}, NOON)]
        assert [*events] == (told if is_told else [])

    def test_tells_its_owners_by_default(self, buyer: int) -> None:
        AccountEvent.objects.all().delete()
        postings.reserve(account=lock(buyer), amount_micros=9, cause="order/1", now=NOON)
        assert AccountEvent.objects.count() == 1

    def test_writes_a_thousand_trades_in_few_statements(
        self, buyer: int, seller: int, django_assert_max_num_queries: object
    ) -> None:
        journal = postings.Journal(accounts=[lock(buyer), lock(seller)], now=NOON)
        payer, payee = journal.accounts
        holds = [journal.reserve(account_id=payer, amount_micros=10, cause=f"order/{n}") for n in range(1000)]
        journal.write()
        for number, hold in enumerate(holds):
            journal.draw(
                reservation=hold, credit_id=payee, amount_micros=9, kind="usage", cause=f"trade/{number}"
            )
            journal.end(reservation=hold)
        with django_assert_max_num_queries(4):  # type: ignore[operator]
            journal.write()
        assert stored(seller) == (9000, 0)
        assert stored(buyer) == (100 * CREDIT - 9000, 0)

    def test_keeps_the_order_of_rows_and_ids(self, buyer: int) -> None:
        journal = postings.Journal(accounts=[lock(buyer)], now=NOON)
        (payer,) = journal.accounts
        holds = [
            journal.reserve(account_id=payer, amount_micros=n + 1, cause=f"order/{n}", expires_at=NOON)
            for n in range(300)
        ]
        journal.write()
        stored_rows = Reservation.objects.in_bulk([hold.pk for hold in holds])
        for hold in holds:
            row = stored_rows[hold.pk]
            assert (row.cause, row.amount_micros, row.expires_at) == (hold.cause, hold.amount_micros, NOON)

    def test_that_is_never_written_changes_nothing(self, buyer: int) -> None:
        journal = postings.Journal(accounts=[lock(buyer)], now=NOON)
        (payer,) = journal.accounts
        journal.reserve(account_id=payer, amount_micros=10, cause="order/1")
        assert stored(buyer) == (100 * CREDIT, 0)


class TestTheDatabaseItself:
    @pytest.mark.parametrize(
        ("change", "constraint"),
        [
            ({"held_micros": -1}, "account_held_not_negative"),
            ({"held_micros": 100 * CREDIT + 1}, "account_available_not_negative"),
            ({"balance_micros": -1}, "account_available_not_negative"),
            ({"namespace_id": None}, "account_has_its_owner"),
            ({"shard": 3}, "account_has_its_owner"),
        ],
    )
    def test_forbids_an_account_that_cannot_be(
        self, buyer: int, change: dict[str, int], constraint: str
    ) -> None:
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            Account.objects.filter(namespace_id=buyer).update(**change)

    def test_forbids_movements_of_nothing_and_to_oneself(self, buyer: int, seller: int) -> None:
        ends = lock(buyer), lock(seller)
        for amount, debit, credit, constraint in (
            (0, *ends, "transfer_amount_in_range"),
            (-5, *ends, "transfer_amount_in_range"),
            (5, ends[0], ends[0], "transfer_between_two_accounts"),
        ):
            with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
                Transfer.objects.create(
                    debit=debit, credit=credit, amount_micros=amount, kind="usage", cause="x", at=NOON
                )

    def test_forbids_rewriting_a_movement(self, buyer: int) -> None:
        with pytest.raises(Exception, match="written once"), transaction.atomic():
            Transfer.objects.update(amount_micros=1)

    def test_lets_only_the_outside_world_go_below_zero(self, buyer: int) -> None:
        fund(buyer, 5)
        assert Account.objects.get(kind="external").balance_micros == -105 * CREDIT
