"""The databases find the page of a list along the index of its order, or by the ids of few candidates."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.accounts.principals import ANONYMOUS, Principal
from hub.repos.models import Repository
from hub.search import narrowing, selectors
from hub.search.queries import ListQuery, Sort
from tests import plans
from tests.factories import hub
from tests.hub.search.catalogue import add

pytestmark = pytest.mark.django_db
INDEXES = {
    Sort.TRENDING: "repository_by_trending",
    Sort.DOWNLOADS: "repository_by_downloads",
    Sort.LIKES: "repository_by_likes",
    Sort.UPDATED: "repository_by_update",
    Sort.CREATED: "repository_by_creation",
}


def plan(query: ListQuery, actor: Principal = ANONYMOUS, *, loads: bool = False) -> list[plans.Node]:
    """The plan of the last query for ids in the list's order, or of the one that loads their rows."""
    sent = plans.statements_of(lambda: selectors.list_repositories(actor=actor, kind="model", query=query))
    return plans.plan_of([each for each in sent if ("ORDER BY" in each[0]) is not loads][-1])


def of_repositories(found: list[plans.Node]) -> plans.Node:
    """The step that reads the table of repositories."""
    (node,) = [node for node in found if node.table == "repos_repository"]
    return node


def is_by_id(node: plans.Node) -> bool:
    return node.kind == "primary key" or node.index == "repos_repository_pkey"


@pytest.fixture(autouse=True)
def _indexes_only(db: None) -> Iterator[None]:
    with plans.indexes_only():
        yield


@pytest.fixture
def some() -> None:
    for number in range(30):
        add(f"lab/model-{number}", tags=["zh"])


@pytest.fixture
def _no_other_way(some: None) -> None:
    """With as few rows as here, PostgreSQL would rather walk an index than look some ids up."""
    plans.keep_only_the_primary_key("repos_repository")


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
            node = of_repositories(found)
            assert (node.kind, node.index) == ("index", INDEXES[sort])
            assert "kind" in node.begins
            assert "sort" not in {node.kind for node in found}

    @pytest.mark.usefixtures("_no_other_way")
    def test_loads_the_rows_of_a_page_by_their_ids(self) -> None:
        assert is_by_id(of_repositories(plan(ListQuery(), loads=True)))

    def test_begins_a_page_at_its_place_in_the_index(self, some: None) -> None:
        page = selectors.list_repositories(actor=ANONYMOUS, kind="model", query=ListQuery(limit=5))
        assert page.next_cursor is not None
        assert " AND " in of_repositories(plan(ListQuery(cursor=page.next_cursor))).begins

    @pytest.mark.usefixtures("_no_other_way")
    @pytest.mark.parametrize("query", [ListQuery(tags=("zh",)), ListQuery(text="model")])
    def test_looks_few_candidates_up_by_id(self, query: ListQuery) -> None:
        assert is_by_id(of_repositories(plan(query)))

    def test_reads_a_tag_from_its_index_alone(self, some: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(narrowing, "CANDIDATES_MAX", 5)
        found = plan(ListQuery(tags=("zh",)))
        assert of_repositories(found).index == "repository_by_trending"
        assert "index only" in {node.kind for node in found}

    @pytest.mark.parametrize("is_gated", [True, False])
    def test_walks_the_order_where_many_have_a_gate_or_none(
        self, some: None, monkeypatch: pytest.MonkeyPatch, is_gated: bool
    ) -> None:
        monkeypatch.setattr(narrowing, "CANDIDATES_MAX", 5)
        Repository.objects.filter(name__lt="model-20").update(gating="auto")
        assert of_repositories(plan(ListQuery(is_gated=is_gated))).index == "repository_by_trending"

    @pytest.mark.usefixtures("_no_other_way")
    def test_finds_the_few_that_have_a_gate_by_their_index(self) -> None:
        Repository.objects.filter(name="model-7").update(gating="manual")
        assert is_by_id(of_repositories(plan(ListQuery(is_gated=True))))
