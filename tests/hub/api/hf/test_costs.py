"""Limits on the cost of the most frequent calls: statements, reads of git, comparisons of addresses."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver
from django.urls.resolvers import RoutePattern

from hub.gitstore import GitRepository
from hub.repos.models import Repository
from tests.factories import hub

pytestmark = pytest.mark.django_db

SMALL = b"small"


@pytest.fixture
def repository() -> Repository:
    return hub.repository(hub.user("alice"), "model", files={"small.txt": SMALL})


def statements(client: Client, url: str) -> list[str]:
    """The statements of a call when the caches are filled."""
    assert client.get(url).status_code == 200
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return [each["sql"] for each in captured.captured_queries]


class TestDatabase:
    def test_a_download_asks_once_and_leaves_the_facts_where_they_are(
        self, client: Client, repository: Repository
    ) -> None:
        """The facts hold the card and the list of all files, which would be read for each file."""
        (asked,) = statements(client, "/alice/model/resolve/main/small.txt")
        assert "repositoryfacts" not in asked

    def test_info_asks_once(self, client: Client, repository: Repository) -> None:
        (asked,) = statements(client, "/api/models/alice/model")
        assert "repositoryfacts" in asked


class TestGit:
    def test_a_download_takes_two_looks(
        self, client: Client, repository: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []
        for name in ("commit_by_id", "commit_behind", "entry", "read", "commit", "entries"):
            plain = getattr(GitRepository, name)

            def watched(*args: Any, name: str = name, plain: Any = plain, **kwargs: Any) -> Any:
                asked.append(name)
                return plain(*args, **kwargs)

            monkeypatch.setattr(GitRepository, name, watched)
        response = client.get("/alice/model/resolve/main/small.txt")
        assert response.getvalue() == SMALL
        assert asked == ["entry", "read"]


class TestRouting:
    @pytest.mark.parametrize(
        "path",
        [
            "/api/models",
            "/api/datasets",
            "/api/models/alice/model",
            "/alice/model/resolve/main/small.txt",
            "/datasets/alice/data/resolve/main/small.txt",
        ],
    )
    def test_frequent_calls_are_compared_with_few_addresses(
        self, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compared: list[str] = []
        plain = RoutePattern.match

        def match(self: RoutePattern, path: str) -> Any:
            compared.append(str(self))
            return plain(self, path)

        monkeypatch.setattr(RoutePattern, "match", match)
        get_resolver().resolve(path)
        assert len(compared) <= 12, compared
