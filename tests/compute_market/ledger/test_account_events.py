"""Events of an account: made with the change, numbered without a gap when they are read, kept for a while."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compute_market import event_channel
from compute_market.ledger import account_events, postings, services
from compute_market.ledger.account_events import BALANCES, ORDERS, Changes, NumberedEvent, Span
from compute_market.ledger.models import Account, AccountEvent, AccountStream, Transfer
from foundation.errors import DeletedMeanwhile
from hub.accounts.principals import SYSTEM
from tests.factories.market import CREDIT, NOON, fund, namespace_of, post_bond, trader

pytestmark = pytest.mark.django_db


def account() -> int:
    """The id of a new trader's account, which has no events."""
    return postings.open_account(kind="main", namespace_id=namespace_of(trader()), now=NOON).pk


def happen(account_id: int, *orders: int, at: timedelta = timedelta(0)) -> None:
    """Write one event for each order; the order's change is its number."""
    for order in orders:
        changes = Changes()
        changes.add(account_id, ORDERS, (order,))
        changes.write(now=NOON + at)


def told(account_id: int, *, after: int = 0, limit: int = 1000) -> list[tuple[int, int]]:
    """(number of the event, order) of what a reader gets."""
    return [
        (event.number, order)
        for event in account_events.read(account_id, after=after, limit=limit)
        for (order,) in event.payload[ORDERS]
    ]


class TestChanges:
    def test_of_one_commit_are_one_event_by_kind_in_their_order(self) -> None:
        account_id = account()
        account_events.follow(account_id)
        changes = Changes()
        changes.add(account_id, ORDERS, [1, "open"])
        changes.add(account_id, "fills", [7])
        changes.add(account_id, ORDERS, [2, "filled"])
        changes.write(now=NOON)
        assert account_events.read(account_id, after=0, limit=9) == [
            NumberedEvent(1, NOON, {"orders": [[1, "open"], [2, "filled"]], "fills": [[7]]})
        ]

    def test_beyond_a_hundred_are_further_events(self) -> None:
        account_id = account()
        account_events.follow(account_id)
        changes = Changes()
        for order in range(201):
            changes.add(account_id, ORDERS, (order,))
        changes.write(now=NOON)
        events = account_events.read(account_id, after=0, limit=9)
        assert [len(event.payload[ORDERS]) for event in events] == [100, 100, 1]
        assert [order for event in events for (order,) in event.payload[ORDERS]] == list(range(201))

    def test_of_several_accounts_are_recorded_for_each_and_announced_in_one_message(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        announced: list[list[str]] = []
        monkeypatch.setattr(event_channel, "publish", lambda topics: announced.append([*topics]))
        mine, yours = account(), account()
        for account_id in (mine, yours):
            account_events.follow(account_id)
        changes = Changes()
        changes.add(mine, ORDERS, (1,))
        changes.add(yours, ORDERS, (2,))
        changes.write(now=NOON)
        assert (told(mine), told(yours)) == ([(1, 1)], [(1, 2)])
        assert announced == [[f"account/{mine}", f"account/{yours}"]]


class TestBalances:
    def test_are_recorded_with_each_movement(self) -> None:
        namespace = namespace_of(trader(funds=10))
        account_id = Account.objects.get(namespace=namespace).pk
        account_events.follow(account_id)
        fund(namespace, 5)
        postings.reserve(
            account=postings.lock_account(namespace_id=namespace, now=NOON),
            amount_micros=3,
            cause="order/1",
            now=NOON,
        )
        events = account_events.read(account_id, after=0, limit=9)
        assert [event.payload for event in events] == [
            {BALANCES: [["main", 15 * CREDIT, 0]]},
            {BALANCES: [["main", 15 * CREDIT, 3]]},
        ]

    def test_of_bonds_are_recorded_for_the_main_account_of_their_own_namespace(self) -> None:
        provider, other = trader(funds=10), trader(funds=10)
        for who in (provider, other):
            account_events.follow(Account.objects.get(namespace=namespace_of(who)).pk)
        post_bond(provider, 4)
        mine = Account.objects.get(namespace=namespace_of(provider), kind="main")
        [event] = account_events.read(mine.pk, after=0, limit=9)
        assert event.payload == {BALANCES: [["main", 6 * CREDIT, 0], ["bond", 4 * CREDIT, 0]]}
        theirs = Account.objects.get(namespace=namespace_of(other), kind="main")
        assert account_events.read(theirs.pk, after=0, limit=9) == []

    def test_of_several_bonds_are_recorded_for_each_owner(self) -> None:
        changes = Changes()
        providers = [trader(funds=10), trader(funds=20)]
        for amount, who in enumerate(providers, start=1):
            post_bond(who, amount)
            account_events.follow(Account.objects.get(namespace=namespace_of(who), kind="main").pk)
        changes.add_balances(Account.objects.order_by("pk"))
        changes.write(now=NOON)
        for amount, who in enumerate(providers, start=1):
            main = Account.objects.get(namespace=namespace_of(who), kind="main")
            [event] = account_events.read(main.pk, after=0, limit=9)
            assert event.payload[BALANCES][1:] == [["bond", amount * CREDIT, 0]]

    def test_of_a_bond_without_a_main_account_are_not_recorded(self) -> None:
        bond = postings.open_account(kind="bond", namespace_id=namespace_of(trader()), now=NOON)
        changes = Changes()
        changes.add_balances([bond])
        changes.write(now=NOON)
        assert not AccountEvent.objects.exists()

    def test_of_the_exchange_are_not_recorded(self) -> None:
        escrow, fees = postings.shard_account_ids(shard=1, now=NOON)
        fund(namespace_of(trader()), 1)
        assert not AccountEvent.objects.filter(account__in=[escrow, fees]).exists()
        assert not AccountEvent.objects.filter(account__kind="external").exists()

    def test_that_do_not_change_are_not_recorded(self) -> None:
        account_id = Account.objects.get(namespace=namespace_of(trader(funds=10))).pk
        account_events.follow(account_id)
        with pytest.raises(Exception, match="available"):
            services.withdraw(
                actor=SYSTEM,
                namespace_id=Account.objects.get(pk=account_id).namespace_id or 0,
                amount_micros=11 * CREDIT,
                key="k",
                now=NOON,
            )
        assert not AccountEvent.objects.filter(account=account_id).exists()


class TestFollow:
    def test_begins_at_nought_whatever_was_before(self) -> None:
        account_id = account()
        happen(account_id, 1, 2)
        assert account_events.follow(account_id) == Span(before=0, newest=0)
        assert told(account_id) == []

    def test_again_has_all_that_was_since(self) -> None:
        account_id = account()
        account_events.follow(account_id)
        happen(account_id, 1, 2, 3)
        assert account_events.follow(account_id) == Span(before=0, newest=3)
        assert told(account_id) == [(1, 1), (2, 2), (3, 3)]

    def test_says_which_numbers_are_left_after_some_were_let_go(self) -> None:
        account_id = account()
        account_events.follow(account_id)
        happen(account_id, 1, 2)
        happen(account_id, 3, at=account_events.KEPT)
        account_events.prune(now=NOON + account_events.KEPT + timedelta(seconds=1))
        assert account_events.follow(account_id) == Span(before=2, newest=3)
        account_events.prune(now=NOON + 3 * account_events.KEPT)
        assert account_events.follow(account_id) == Span(before=3, newest=3)


class TestRead:
    def test_gives_so_many_above_a_number(self) -> None:
        account_id = account()
        account_events.follow(account_id)
        happen(account_id, *range(1, 8))
        assert told(account_id, after=2, limit=3) == [(3, 3), (4, 4), (5, 5)]
        assert told(account_id, after=7) == []

    def test_numbers_any_backlog_once_and_in_order(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(account_events, "NUMBERED_AT_ONCE", 2)
        account_id = account()
        account_events.follow(account_id)
        happen(account_id, 11, 12, 13, 14, 15)
        assert told(account_id, limit=2) == [(1, 11), (2, 12)]
        happen(account_id, 16)
        assert told(account_id) == [(1, 11), (2, 12), (3, 13), (4, 14), (5, 15), (6, 16)]
        assert AccountStream.objects.get(account=account_id).last_number == 6

    def test_of_an_account_whose_stream_is_gone_says_so(self) -> None:
        account_id = account()
        happen(account_id, 1)
        with pytest.raises(DeletedMeanwhile):
            account_events.read(account_id, after=0, limit=9)


class TestPrune:
    def test_lets_events_go_that_nobody_followed_for_an_hour(self) -> None:
        account_id = account()
        happen(account_id, 1)
        happen(account_id, 2, at=timedelta(seconds=1))
        assert account_events.prune(now=NOON + account_events.UNFOLLOWED_KEPT) == 0
        assert account_events.prune(now=NOON + account_events.UNFOLLOWED_KEPT + timedelta(seconds=1)) == 1
        [left] = AccountEvent.objects.filter(account=account_id)
        assert left.payload == {ORDERS: [[2]]}

    def test_keeps_what_is_followed_for_days_and_numbers_it(self) -> None:
        account_id = account()
        account_events.follow(account_id)
        happen(account_id, 1, 2)
        assert account_events.prune(now=NOON + account_events.KEPT) == 0
        assert [*AccountEvent.objects.order_by("pk").values_list("number", flat=True)] == [1, 2]
        assert account_events.prune(now=NOON + account_events.KEPT + timedelta(seconds=1)) == 2
        happen(account_id, 3)
        assert told(account_id) == [(3, 3)]

    def test_keeps_so_many_of_each_account(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(account_events, "KEPT_MOST", 2)
        busy, quiet = account(), account()
        for account_id in (busy, quiet):
            account_events.follow(account_id)
        happen(quiet, 1, 2)
        happen(busy, 1, 2, 3, 4, 5)
        assert account_events.prune(now=NOON) == 3
        assert told(busy) == [(4, 4), (5, 5)]
        assert told(quiet) == [(1, 1), (2, 2)]

    def test_of_a_stream_without_events_does_nothing(self) -> None:
        account_events.follow(account())
        assert account_events.prune(now=NOON) == 0


def test_a_transfer_of_nobody_who_is_followed_costs_one_row_an_account() -> None:
    buyer, seller = trader(funds=10), trader(funds=1)
    AccountEvent.objects.all().delete()
    postings.transfer(
        debit=postings.lock_account(namespace_id=namespace_of(buyer), now=NOON),
        credit=postings.lock_account(namespace_id=namespace_of(seller), now=NOON),
        amount_micros=5,
        kind=Transfer.Kind.USAGE,
        cause="trade/1",
        now=NOON,
    )
    assert AccountEvent.objects.filter(number=None).count() == AccountEvent.objects.count() == 2
