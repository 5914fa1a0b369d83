"""What SQLite does for a list. PostgreSQL decides by its statistics, so its plans are not pinned."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hub.accounts.principals import ANONYMOUS, Principal
from hub.repos.models import Repository
from hub.search import selectors
from hub.search.queries import ListQuery, Sort
from tests.factories import hub
from tests.hub.search.catalogue import add

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="the plans of SQLite"),
]
INDEXES = {
    Sort.TRENDING: "repository_by_trending",
    Sort.DOWNLOADS: "repository_by_downloads",
    Sort.LIKES: "repository_by_likes",
    Sort.UPDATED: "repository_by_update",
    Sort.CREATED: "repository_by_creation",
}


def plan(query: ListQuery, actor: Principal = ANONYMOUS, *, loads: bool = False) -> str:
    """The plan of the last query for ids in the list's order, or of the one that loads their rows."""
    with CaptureQueriesContext(connection) as captured:
        selectors.list_repositories(actor=actor, kind="model", query=query)
    statements = [each["sql"] for each in captured.captured_queries]
    chosen = [sql for sql in statements if ("ORDER BY" in sql) is not loads]
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + chosen[-1])
        return "\n".join(row[-1] for row in cursor.fetchall())


@pytest.fixture
def some() -> None:
    for number in range(30):
        add(f"lab/model-{number}", tags=["zh"])


class TestPlans:
    @pytest.mark.parametrize("sort", INDEXES)
    @pytest.mark.parametrize("signed_in", [False, True])
    def test_walks_the_index_of_the_order_without_sorting(
        self, some: None, sort: Sort, signed_in: bool
    ) -> None:
        actor = hub.actor() if signed_in else ANONYMOUS
        page = selectors.list_repositories(actor=actor, kind="model", query=ListQuery(sort=sort, limit=5))
        for cursor in ("", page.next_cursor or ""):
            found = plan(ListQuery(sort=sort, cursor=cursor), actor)
            assert f"USING INDEX {INDEXES[sort]} (kind=?" in found
            assert "TEMP B-TREE" not in found

    def test_loads_the_rows_of_a_page_by_their_ids(self, some: None) -> None:
        assert "SEARCH repos_repository USING INTEGER PRIMARY KEY (rowid=?)" in plan(ListQuery(), loads=True)

    def test_begins_a_page_at_its_place_in_the_index(self, some: None) -> None:
        page = selectors.list_repositories(actor=ANONYMOUS, kind="model", query=ListQuery(limit=5))
        assert page.next_cursor is not None
        assert "(kind=? AND" in plan(ListQuery(cursor=page.next_cursor))

    @pytest.mark.parametrize("query", [ListQuery(tags=("zh",)), ListQuery(text="model")])
    def test_looks_few_candidates_up_by_id(self, some: None, query: ListQuery) -> None:
        assert "repos_repository USING INTEGER PRIMARY KEY (rowid=?)" in plan(query)

    def test_reads_a_tag_from_its_index_alone(self, some: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(selectors, "CANDIDATES_MAX", 5)
        found = plan(ListQuery(tags=("zh",)))
        assert "USING INDEX repository_by_trending" in found
        assert "USING COVERING INDEX" in found

    @pytest.mark.parametrize("is_gated", [True, False])
    def test_walks_the_order_where_many_have_a_gate_or_none(
        self, some: None, monkeypatch: pytest.MonkeyPatch, is_gated: bool
    ) -> None:
        monkeypatch.setattr(selectors, "CANDIDATES_MAX", 5)
        Repository.objects.filter(name__lt="model-20").update(gating="auto")
        assert "USING INDEX repository_by_trending" in plan(ListQuery(is_gated=is_gated))

    def test_finds_the_few_that_have_a_gate_by_their_index(self, some: None) -> None:
        Repository.objects.filter(name="model-7").update(gating="manual")
        assert "repos_repository USING INTEGER PRIMARY KEY (rowid=?)" in plan(ListQuery(is_gated=True))
