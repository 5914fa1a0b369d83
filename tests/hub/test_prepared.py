from __future__ import annotations

from typing import Any

import pytest
from django.db.models import F
from pytest_django import DjangoAssertNumQueries

from hub.prepared import Prepared
from hub.repos.models import Repository
from hub.repos.selectors import find_repository
from tests.factories import hub as make

pytestmark = pytest.mark.django_db


class TestPrepared:
    def test_gives_what_the_queryset_gives(self) -> None:
        made = make.repository(make.user("alice"), "model", files={"config.json": b'{"model_type": "qwen2"}'})
        prepared = Prepared(
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
        prepared = Prepared(
            lambda pk: Repository.objects.annotate(next_pk=F("pk") + 1).filter(pk=pk), pk=987_654_321
        )
        for size in (7, 2**14, 2**30, 2**60) * 8:  # more often than it takes to be kept by PostgreSQL
            assert prepared.first(pk=made.pk + size) is None
        found: Any = prepared.first(pk=made.pk)
        assert found.next_pk == made.pk + 1

    def test_refuses_an_example_that_is_not_in_the_query(self) -> None:
        prepared = Prepared(lambda key: Repository.objects.filter(key="fixed"), key="?key")
        with pytest.raises(ValueError, match="every example"):
            prepared.first(key="x")
