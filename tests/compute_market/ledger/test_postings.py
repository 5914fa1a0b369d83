from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from compute_market.ledger import jobs, postings
from compute_market.ledger.errors import AmountInvalid, InsufficientFunds, ReservationEnded
from compute_market.ledger.models import Account, Reservation, Transfer
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


class TestLock:
    @pytest.mark.django_db(transaction=True)
    def test_needs_a_transaction_that_keeps_it(self, buyer: int) -> None:
        with pytest.raises(transaction.TransactionManagementError):
            lock(buyer)

    def test_opens_an_account_at_the_first_need_of_it(self, seller: int) -> None:
        assert lock(seller).available_micros == 0

    def test_gives_many_accounts_by_id(self, buyer: int, seller: int) -> None:
        ids = [lock(seller).pk, lock(buyer).pk]
        assert list(postings.lock_accounts(ids=ids)) == sorted(ids)


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


class TestPost:
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


class TestTransfer:
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


class TestJournal:
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
        assert connection.vendor in {"sqlite", "postgresql"}

    def test_lets_only_the_outside_world_go_below_zero(self, buyer: int) -> None:
        fund(buyer, 5)
        assert Account.objects.get(kind="external").balance_micros == -105 * CREDIT
