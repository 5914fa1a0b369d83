from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django import Settings

from hub.accounts.principals import ANONYMOUS
from hub.repos.models import Repository
from hub.search import jobs, selectors
from hub.search.queries import ListQuery
from tests.hub.search.catalogue import NOW, add

pytestmark = pytest.mark.django_db


def score(repository: Repository) -> float:
    repository.refresh_from_db()
    return repository.trending_score


class TestScoreTrending:
    def test_counts_likes_more_than_downloads(self) -> None:
        liked, fetched = add("a/liked", likes=3), add("a/fetched", downloads_total=3)
        assert jobs.score_trending(now=NOW) == 2
        assert score(liked) > score(fetched) > 0

    def test_adds_nothing_when_it_runs_twice(self) -> None:
        liked = add("a/liked", likes=3)
        jobs.score_trending(now=NOW)
        before = score(liked)
        assert jobs.score_trending(now=NOW) == 0
        assert score(liked) == before

    def test_fades_by_half_in_three_days_and_ends_at_zero(self) -> None:
        liked = add("a/liked", likes=4)
        jobs.score_trending(now=NOW)
        jobs.score_trending(now=NOW + timedelta(days=3))
        assert score(liked) == 2
        for days in range(3, 60, 3):
            jobs.score_trending(now=NOW + timedelta(days=days))
        assert score(liked) == 0
        assert jobs.score_trending(now=NOW + timedelta(days=61)) == 0

    def test_sees_what_came_since(self) -> None:
        liked = add("a/liked", likes=4)
        jobs.score_trending(now=NOW)
        Repository.objects.filter(pk=liked.pk).update(likes=5)
        jobs.score_trending(now=NOW + timedelta(days=3))
        assert score(liked) == 3


class TestCountSlowFacets:
    @pytest.fixture(autouse=True)
    def _own_memory(self, settings: Settings, request: pytest.FixtureRequest) -> None:
        settings.REDIS_PREFIX = f"test-facets-{request.node.name}"

    def total(self) -> int:
        return selectors.find_facets(actor=ANONYMOUS, kind="model", query=ListQuery()).total

    def test_counts_anew_what_takes_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(selectors, "SLOW_SECONDS", 0)
        add("a/one")
        assert self.total() == 1
        add("a/two")
        assert self.total() == 1
        assert jobs.count_slow_facets() == ["model"]
        assert self.total() == 2

    def test_leaves_alone_what_is_quick_or_was_never_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(selectors, "SLOW_SECONDS", 1_000)
        assert jobs.count_slow_facets() == []
        add("a/one")
        self.total()
        assert jobs.count_slow_facets() == []
