from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from django.db import IntegrityError, transaction

from compute_market.ledger.models import Account
from compute_market.matching.models import Outbox
from compute_market.offers.models import Shard
from foundation.database import bulk_sql
from foundation.database.cursors import pipelined


class AccountRow(NamedTuple):
    shard: int
    balance_micros: int


class Balance(NamedTuple):
    pk: int
    balance_micros: int


class ShardKey(NamedTuple):
    shard: int


class NewsRow(NamedTuple):
    topic: str
    payload: Any
    at: datetime


class TopicRow(NamedTuple):
    topic: str
    payload: Any


class NumberedRow(NamedTuple):
    topic: str
    sequence: int
    payload: Any


class Pair(NamedTuple):
    left: int
    right: int


pytestmark = [pytest.mark.django_db, pytest.mark.breaks_the_books]  # its rows mean nothing

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TOPICS = ('plain "quoted" \\ back', "中文", "{braces, and commas}")


@pytest.fixture
def shard() -> int:
    return Shard.objects.get_or_create(pk=7)[0].pk


def accounts() -> list[int]:
    """Three accounts, of shards that stand for nothing."""
    made = [AccountRow(shard, micros) for shard, micros in ((901, 10), (902, 20), (903, 30))]
    same = {"kind": "fees", "held_micros": 0, "opened_at": NOON}
    return bulk_sql.insert_rows(Account, made, same=same)


class TestInsertRows:
    def test_gives_keys_in_the_order_of_the_rows(self) -> None:
        keys = accounts()
        found = Account.objects.in_bulk(keys)
        assert [found[key].shard for key in keys] == [901, 902, 903]
        assert {(account.kind, account.opened_at) for account in found.values()} == {("fees", NOON)}

    @pytest.mark.parametrize("moment", [NOON, NOON + timedelta(microseconds=123_456)])
    def test_keeps_texts_objects_and_moments_as_they_are(self, shard: int, moment: datetime) -> None:
        wanted = [
            NewsRow(topic, {"trades": [[number, None, topic]]}, moment + timedelta(hours=number))
            for number, topic in enumerate(TOPICS)
        ]
        bulk_sql.insert_rows(Outbox, wanted, same={"shard": shard, "sequence": 1})
        found = Outbox.objects.filter(shard=shard).order_by("pk")
        assert list(found.values_list("topic", "payload", "at")) == wanted

    def test_sets_what_is_there_already(self, shard: int) -> None:
        key = ("shard", "topic", "sequence")
        for payload in ([1], [2]):
            same = {"shard": shard, "at": NOON}
            bulk_sql.add_rows(Outbox, [NumberedRow("a", 1, payload)], same=same, once=key)
        assert Outbox.objects.get(shard=shard).payload == [2]

    def test_writes_rows_inside_of_an_object_as_arrays(self, shard: int) -> None:
        rows = [TopicRow("a", {"pairs": [Pair(1, 2)]})]
        bulk_sql.insert_rows(Outbox, rows, same={"shard": shard, "sequence": 1, "at": NOON})
        assert Outbox.objects.get(shard=shard).payload == {"pairs": [[1, 2]]}


class TestObjects:
    def test_are_inserted_with_all_their_columns_and_get_their_keys(self) -> None:
        made = [
            Account(kind="fees", shard=shard, balance_micros=shard, held_micros=1, opened_at=NOON)
            for shard in (901, 902)
        ]
        bulk_sql.insert_objects(Account, made)
        for account in made:
            found = Account.objects.get(pk=account.pk)
            assert (found.shard, found.balance_micros, found.opened_at) == (
                account.shard,
                account.shard,
                NOON,
            )

    def test_are_updated_in_the_named_columns_alone(self) -> None:
        found = list(Account.objects.in_bulk(accounts()).values())
        for account in found:
            account.balance_micros, account.held_micros = 7, 8
        bulk_sql.update_objects(Account, ("balance_micros",), found)
        changed = Account.objects.filter(pk__in=[account.pk for account in found])
        assert set(changed.values_list("balance_micros", "held_micros")) == {(7, 0)}

    def test_of_any_kind_are_inserted_by_the_names_of_their_columns(self, shard: int) -> None:
        rows = [NewsRow(topic, [1], NOON) for topic in TOPICS]
        bulk_sql.add_objects(Outbox, ("at", "topic", "payload"), rows, same={"shard": shard, "sequence": 1})
        assert set(Outbox.objects.values_list("topic", "at")) == {(topic, NOON) for topic in TOPICS}

    def test_are_nothing_to_write_if_there_are_none(self) -> None:
        assert bulk_sql.add_objects(Outbox, ("topic", "payload"), []).count() == 0
        bulk_sql.insert_objects(Account, [])
        assert bulk_sql.update_objects(Account, ("balance_micros",), []).count() == 0


class TestWritten:
    def test_needs_the_key_first(self) -> None:
        with pytest.raises(TypeError, match="is topic, not pk"):
            bulk_sql.update_rows(Outbox, [TopicRow("a", 1)])

    def test_counts_what_was_changed(self) -> None:
        first, second, _ = accounts()
        changes = [Balance(first, 1), Balance(second, 2), Balance(second + 1_000_000, 3)]
        assert bulk_sql.update_rows(Account, changes, add=True).count() == 2
        assert bulk_sql.update_rows(Account, []).count() == 0
        assert [Account.objects.get(pk=key).balance_micros for key in (first, second)] == [11, 22]

    def test_is_asked_late_inside_a_pipelined_block(self) -> None:
        first, second, third = accounts()
        with transaction.atomic(), pipelined():
            by_condition = bulk_sql.update_rows(
                Account,
                [bulk_sql.Key(first), bulk_sql.Key(second)],
                same={"balance_micros": 5},
                where="balance_micros > 15",
            )
            gone = bulk_sql.delete_rows(Account, [ShardKey(903), ShardKey(999)])
            assert (by_condition.count(), gone.count()) == (1, 1)
        assert not Account.objects.filter(pk=third).exists()
        assert [Account.objects.get(pk=key).balance_micros for key in (first, second)] == [10, 5]

    def test_leaves_errors_to_the_end_of_the_block(self, shard: int) -> None:
        twice = [TopicRow("a", [1]), TopicRow("a", [2])]
        once = pytest.raises(IntegrityError, match=r"outbox_once_a_topic|(?i:unique.*outbox)")
        with once, transaction.atomic(), pipelined():
            bulk_sql.add_rows(Outbox, twice, same={"shard": shard, "sequence": 1, "at": NOON})
        assert not Outbox.objects.filter(shard=shard).exists()
