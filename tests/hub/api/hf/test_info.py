"""The list of files in a repository's info."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from django.test import Client

from hub.api.hf import lists
from hub.gitstore import GitRepository
from hub.repos.models import Kind, Repository
from hub.revisions import indexing
from hub.revisions.operations import AddBlob
from hub.revisions.services import NewCommit, commit
from hub.revisions.staging import Staging
from tests.factories import hub as make

pytestmark = pytest.mark.django_db
FILES_MAX = 8


@pytest.fixture
def repo(monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository with two commits: of 8 files, and of 9; a list has at most 8."""
    monkeypatch.setattr(indexing, "SIBLINGS_MAX", FILES_MAX)
    files = {f"d/{number}.txt": b"%d" % number for number in range(FILES_MAX - 1)}
    return make.repository(make.actor("ada"), "many", files=files)


def put(repo: Repository, name: str) -> str:
    repo.refresh_from_db()
    staged = Staging(repository=repo, commit=repo.head_sha, now=make.NOW).add(name, [b"x"])
    assert isinstance(staged, AddBlob)
    done = commit(
        actor=make.actor("ada"),
        repository=repo,
        revision="main",
        request=NewCommit(operations=[staged], title=name),
        now=make.NOW,
    )
    return done.oid


def info(client: Client, query: str = "") -> Any:
    answer = client.get(f"/api/models/ada/many{query}")
    assert answer.status_code == 200
    return answer.json()


class TestSiblings:
    def test_of_an_earlier_commit_are_what_they_were_of_the_head(
        self, client: Client, repo: Repository
    ) -> None:
        before, with_sizes = info(client), info(client, "?blobs=true")
        head = put(repo, "another.txt")
        assert len(before["siblings"]) == FILES_MAX
        again = info(client, f"/revision/{before['sha']}")
        assert again["sha"] == before["sha"] != head
        assert again["siblings"] == before["siblings"]
        assert info(client, f"/revision/{before['sha']}?blobs=true")["siblings"] == with_sizes["siblings"]

    def test_are_left_out_of_every_revision_with_too_many(self, client: Client, repo: Repository) -> None:
        many = put(repo, "another.txt")
        head = put(repo, "one-more.txt")
        assert info(client)["sha"] == head
        reads: list[object] = []
        with mock.patch.object(GitRepository, "sized", lambda _, item: reads.append(item)):
            for query in (
                "",
                "?blobs=true",
                "?expand=siblings",
                f"/revision/{many}",
                f"/revision/{many}?blobs=true",
                f"/revision/{many}?expand=siblings",
            ):
                assert "siblings" not in info(client, query), query
        assert reads == []


class TestSiblingsOfLists:
    def test_are_left_out_where_a_page_would_have_too_many(
        self, client: Client, repo: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A page of a thousand rows, each with 50,000 files, would be gigabytes."""
        make.repository(make.actor("bea"), "few", files={"a.txt": b"1"})

        def listed(query: str) -> dict[str, int | None]:
            rows = client.get(f"/api/models?sort=createdAt&{query}").json()
            return {row["id"]: len(row["siblings"]) if "siblings" in row else None for row in rows}

        both = {"bea/few": 2, "ada/many": FILES_MAX}
        for query in ("full=true", "expand=siblings"):
            assert listed(query) == both
            with monkeypatch.context() as patched:
                patched.setattr(lists, "SIBLINGS_A_PAGE", FILES_MAX)
                left_out = listed(query)
            assert sum(count or 0 for count in left_out.values()) <= FILES_MAX
            assert list(left_out.values()).count(None) == 1

    def test_are_read_by_one_query(
        self, client: Client, repo: Repository, django_assert_max_num_queries: Any
    ) -> None:
        bea = make.actor("bea")
        for number in range(8):
            for kind in (Kind.MODEL, Kind.SPACE):
                make.repository(bea, f"few-{number}", kind=kind, files={"a.txt": b"1"})
        for path in ("/api/models?full=true&author=bea", "/api/spaces/semantic-search?q=few"):
            client.get(path)
            with django_assert_max_num_queries(7):
                rows = client.get(path).json()
            assert [len(row["siblings"]) for row in rows] == [2] * 8
