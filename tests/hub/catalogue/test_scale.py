from __future__ import annotations

import pytest

from hub.accounts.principals import ANONYMOUS
from hub.catalogue import scale
from hub.repos.models import Repository
from hub.revisions import indexing, reindexing
from hub.revisions.models import RepositoryFacts
from hub.search import selectors
from hub.search.queries import ListQuery
from tests.factories.hub import NOW

pytestmark = pytest.mark.django_db


class TestMakeUsers:
    def test_goes_on_where_it_stopped(self) -> None:
        assert list(scale.make_users(5)) == [5]
        assert list(scale.make_users(5)) == []
        assert list(scale.make_users(8)) == [3]
        assert scale.count_users() == 8


class TestMakeModels:
    def test_gives_real_repositories_that_say_what_their_rows_say(self) -> None:
        assert list(scale.make_models(6, now=NOW)) == [6]
        for repository in Repository.objects.all():
            assert indexing.read_facts(repository, repository.head_sha).tags
        before = list(RepositoryFacts.objects.order_by("pk").values())
        list(reindexing.reindex_all(now=NOW))
        assert list(RepositoryFacts.objects.order_by("pk").values()) == before

    def test_goes_on_where_it_stopped(self) -> None:
        list(scale.make_models(3, now=NOW))
        assert list(scale.make_models(5, now=NOW)) == [2]
        assert Repository.objects.count() == 5

    def test_can_be_found(self) -> None:
        list(scale.make_models(20, now=NOW))
        page = selectors.list_repositories(actor=ANONYMOUS, kind="model", query=ListQuery(text="通义"))
        assert page.items
