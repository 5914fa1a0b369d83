from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from django.db import DatabaseError, DataError, IntegrityError, connection, transaction
from django.db.models import F, signals
from django.db.transaction import TransactionManagementError
from pytest_django import DjangoAssertNumQueries

from foundation.database.compiled import CompiledQuery
from foundation.database.cursors import pipelined, prepared_cursor
from hub.accounts.models import Namespace
from hub.repos.models import Repository
from hub.repos.selectors import find_repository
from tests.factories import hub as make
from tests.waiting import pause

pytestmark = pytest.mark.django_db


class TestPrepared:
    def test_gives_what_the_queryset_gives(self) -> None:
        made = make.repository(make.user("alice"), "model", files={"config.json": b'{"model_type": "qwen2"}'})
        prepared = CompiledQuery(
            lambda key, pk: Repository.objects.select_related("namespace", "facts").filter(key=key, pk=pk),
            key="?key",
            pk=987_654_321,
        )
        found = prepared.first(key="model", pk=made.pk)
        plain = Repository.objects.select_related("namespace", "facts").get(pk=made.pk)
        assert found is not None
        for field in Repository._meta.concrete_fields:
            assert getattr(found, field.attname) == getattr(plain, field.attname)
        assert found.facts.config == plain.facts.config
        assert found.facts.indexed_at == plain.facts.indexed_at
        assert found.namespace.name == "alice"
        assert prepared.first(key="model", pk=made.pk + 1) is None

    def test_asks_once_and_loads_the_owner_with_it(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        make.repository(make.user("alice"), "model")
        with django_assert_num_queries(1):
            found = find_repository(kind="model", repo_id="Alice/MODEL")
            assert found is not None
            assert found.namespace.name == "alice"
            assert found.facts.commit_sha == found.head_sha

    def test_gives_annotations_and_takes_numbers_of_any_size(self) -> None:
        made = make.repository(make.user("alice"), "model")
        prepared = CompiledQuery(
            lambda pk: Repository.objects.annotate(next_pk=F("pk") + 1).filter(pk=pk), pk=987_654_321
        )
        for size in (7, 2**14, 2**30, 2**60) * 8:  # more often than it takes to be kept by PostgreSQL
            assert prepared.first(pk=made.pk + size) is None
        found: Any = prepared.first(pk=made.pk)
        assert found.next_pk == made.pk + 1

    def test_makes_objects_that_act_like_the_querysets(self) -> None:
        made = make.repository(make.user("alice"), "model")
        prepared = CompiledQuery(
            lambda key: (
                Repository.objects.select_related("namespace", "facts")
                .defer("description", "facts__text")
                .filter(key=key)
            ),
            key="?key",
        )
        found = prepared.first(key="model")
        assert found is not None
        assert found == made
        assert not found._state.adding
        assert found._state.db == "default"
        assert found.get_deferred_fields() == {"description"}
        assert found.facts.get_deferred_fields() == {"text"}
        assert found.facts.repository is found
        found.description = "new"
        found.save(update_fields=["description"])
        assert Repository.objects.get(pk=made.pk).description == "new"
        Repository.objects.filter(pk=made.pk).update(likes=7)
        found.refresh_from_db()
        assert found.likes == 7

    def test_tells_listeners_of_the_objects_it_makes(self) -> None:
        make.repository(make.user("alice"), "model")
        heard: list[Any] = []

        def listen(instance: Any, **_: Any) -> None:
            heard.append(instance)

        signals.post_init.connect(listen, sender=Namespace)
        try:
            prepared = CompiledQuery(
                lambda key: Repository.objects.select_related("namespace").filter(key=key), key="?key"
            )
            found = prepared.first(key="model")
        finally:
            signals.post_init.disconnect(listen, sender=Namespace)
        assert found is not None
        assert [each is found.namespace for each in heard] == [True]

    def test_gives_what_is_joined_and_missing_as_missing(self) -> None:
        made = make.repository(make.user("alice"), "model")
        made.facts.delete()
        prepared = CompiledQuery(
            lambda key: Repository.objects.select_related("facts").filter(key=key), key="?key"
        )
        found = prepared.first(key="model")
        assert found is not None
        assert not hasattr(found, "facts")

    def test_gives_values(self) -> None:
        made = [make.repository(make.user(name), "model") for name in ("alice", "bob")]
        prepared = CompiledQuery(
            lambda key: Repository.objects.filter(key=key).order_by("pk").values_list("created_at")[:5],
            key="?key",
        )
        dates = Repository.objects.order_by("pk").values_list("created_at", flat=True)
        assert prepared.values(key="model") == list(dates)
        assert len(made) == len(dates)
        assert prepared.values(key="other") == []

    def test_refuses_an_example_that_is_not_in_the_query(self) -> None:
        prepared = CompiledQuery(lambda key: Repository.objects.filter(key="fixed"), key="?key")
        with pytest.raises(ValueError, match="every example"):
            prepared.first(key="x")


TABLE = Namespace._meta.db_table
RENAME = f"UPDATE {TABLE} SET full_name = CAST(%s AS text) WHERE key = CAST(%s AS text)"  # noqa: S608


def rename(name: str, *, key: str = "alice") -> None:
    """A write whose answer is left for a later reader."""
    with prepared_cursor() as cursor:
        cursor.execute(RENAME, [name, key])


def name_of_alice() -> str:
    return Namespace.objects.get(key="alice").full_name


class TestPipelined:
    """The same on every database; on PostgreSQL the statements of prepared cursors overtake their answers."""

    @pytest.fixture(autouse=True)
    def alice(self) -> Namespace:
        return make.user("alice", full_name="Alice").namespace

    def test_writes_everything_in_its_order(self) -> None:
        with transaction.atomic(), pipelined():
            for number in range(20):
                rename(f"Alice the {number}th")
        assert name_of_alice() == "Alice the 19th"

    def test_gives_rows_and_counts_on_request(self) -> None:
        with transaction.atomic(), pipelined():
            first, second, third = prepared_cursor(), prepared_cursor(), prepared_cursor()
            first.execute(RENAME, ["Alice Liddell", "alice"])
            second.execute(RENAME, ["Nobody", "nobody"])
            third.execute(f"SELECT full_name FROM {TABLE} WHERE key = 'alice'")  # noqa: S608
            assert (first.rowcount, second.rowcount) == (1, 0)
            assert third.fetchall() == [("Alice Liddell",)]

    def test_lets_the_orm_be_used_as_ever(self, alice: Namespace) -> None:
        with transaction.atomic(), pipelined():
            rename("Alice Liddell")
            assert name_of_alice() == "Alice Liddell"
            assert Namespace.objects.filter(pk=alice.pk).update(full_name="A. Liddell") == 1
            assert Namespace.objects.filter(pk=alice.pk + 1).update(full_name="Nobody") == 0
            with pytest.raises(IntegrityError, match=r"(?i)unique.*key"), transaction.atomic():
                Namespace.objects.create(name="alice", key="alice", kind=Namespace.Kind.USER)
            made, is_new = Namespace.objects.get_or_create(
                key="bob", defaults={"name": "bob", "kind": "user"}
            )
            made.full_name = "Bob"
            made.save()
            assert is_new
        assert set(Namespace.objects.values_list("full_name", flat=True)) >= {"A. Liddell", "Bob"}

    def test_may_be_opened_in_an_open_one(self) -> None:
        with transaction.atomic(), pipelined():
            with pipelined():
                rename("Alice Liddell")
            rename("A. Liddell")
        assert name_of_alice() == "A. Liddell"

    @pytest.mark.parametrize("more", [0, 1, 7])
    def test_undoes_everything_when_one_statement_fails(self, more: int) -> None:
        with pytest.raises(IntegrityError, match=r"(?i)not.null"), transaction.atomic(), pipelined():
            rename("Alice Liddell")
            with prepared_cursor() as cursor:
                cursor.execute(f"INSERT INTO {TABLE} (name) VALUES (NULL)")  # noqa: S608
            for _ in range(more):
                rename("A. Liddell")
        assert name_of_alice() == "Alice"
        with transaction.atomic(), pipelined():
            rename("Alice again")
        assert name_of_alice() == "Alice again"

    def test_passes_on_what_the_block_raises(self) -> None:
        with pytest.raises(ZeroDivisionError), transaction.atomic(), pipelined():
            rename("Alice Liddell")
            raise ZeroDivisionError
        assert name_of_alice() == "Alice"

    @pytest.mark.postgres
    def test_tells_of_an_error_where_an_answer_is_read(self) -> None:
        with prepared_cursor() as cursor:
            with pytest.raises(DataError), transaction.atomic(), pipelined():
                cursor.execute("SELECT 1 / CAST(%s AS integer)", [0])
                rename("Alice Liddell")
                cursor.execute("SELECT pg_sleep(0.1)")
                cursor.fetchall()
            with pytest.raises(DataError), transaction.atomic(), pipelined():
                cursor.execute("SELECT 1 / CAST(%s AS integer)", [0])
                assert cursor.rowcount == 1

    @pytest.mark.postgres
    def test_does_something_here_while_the_database_works(self) -> None:
        """The database waits for a lock that is given free after the statements were sent."""
        holder = connection.copy()
        with closing(holder), holder.cursor() as lock:
            lock.execute("SELECT pg_advisory_lock(17)")
            with transaction.atomic(), pipelined():
                waiting, following = prepared_cursor(), prepared_cursor()
                waiting.execute("SELECT pg_advisory_xact_lock(17)")
                following.execute("SELECT 'done'")
                lock.execute("SELECT pg_advisory_unlock(17)")
                assert following.fetchall() == [("done",)]

    @pytest.mark.postgres
    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("place", ["unread", "counted", "read", "asked by the ORM", "block over"])
    def test_leaves_no_lock_to_a_worker_that_stops(self, place: str) -> None:
        """The server must see an idle session wherever it is, whether answers are read or not."""
        with pytest.raises(DatabaseError), transaction.atomic():
            with pipelined(), prepared_cursor() as cursor:
                cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', '100', true)")
                rename("Alice Liddell")
                if place == "counted":
                    assert cursor.rowcount == 1
                elif place == "read":
                    assert cursor.fetchall() == [("100ms",)]
                elif place == "asked by the ORM":
                    assert name_of_alice() == "Alice Liddell"
                if place != "block over":
                    pause(0.4)
                    rename("A. Liddell")
            pause(0.4)
        connection.close()
        assert name_of_alice() == "Alice"

    @pytest.mark.django_db(transaction=True)
    def test_needs_a_transaction(self) -> None:
        with pytest.raises(TransactionManagementError), pipelined():
            pass
