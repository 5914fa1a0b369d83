from __future__ import annotations

import pytest
from django.test import Client

from hub.accounts.models import Role
from hub.community.services import people
from hub.repos.models import Repository
from tests.factories import hub as make
from tests.factories.hub import NOW

pytestmark = pytest.mark.django_db


class TestFollowers:
    def test_come_in_pages_whose_links_are_absolute(self, client: Client) -> None:
        ada = make.user("ada")
        names = [f"fan{number}" for number in range(5)]
        for name in names:
            people.set_follow(actor=make.actor(name), namespace=ada.namespace, is_following=True, now=NOW)
        url, seen = "/api/users/ada/followers?limit=2", []
        for _ in range(3):
            answer = client.get(url)
            seen += [row["user"] for row in answer.json()]
            link = answer.headers.get("Link", "")
            assert not link or link.startswith("<http://testserver/api/users/ada/followers?")
            url = link[1:].partition(">")[0]
        assert (seen, url) == (names[::-1], "")

    def test_are_not_oneself(self) -> None:
        ada = make.user("ada")
        answer = Client(headers=make.bearer(ada)).post("/api/users/ada/follow")
        assert answer.status_code == 400


class TestOverviews:
    def test_count_what_the_caller_may_know_of(self, client: Client) -> None:
        ada = make.user("ada")
        make.repository(ada)
        make.repository(ada, visibility="private")
        assert client.get("/api/users/ADA/overview").json()["numModels"] == 1
        own = Client(headers=make.bearer(ada)).get("/api/users/ada/overview").json()
        assert (own["user"], own["numModels"]) == ("ada", 2)

    def test_of_the_wrong_kind_are_missing(self, client: Client) -> None:
        make.user("ada")
        make.organization("acme")
        assert client.get("/api/organizations/ada/overview").status_code == 404
        assert client.get("/api/users/acme/overview").status_code == 404
        assert client.get("/api/organizations/acme/overview").json()["numUsers"] == 0

    def test_of_members_cost_the_same_however_many(
        self, client: Client, django_assert_max_num_queries: pytest.FixtureRequest
    ) -> None:
        make.organization("acme", {make.user(): Role.READ for _ in range(10)})
        with django_assert_max_num_queries(4):  # type: ignore[operator]
            assert len(client.get("/api/organizations/acme/members").json()) == 10


class TestStorage:
    def test_is_listed_largest_first_for_those_it_concerns(self, client: Client) -> None:
        ada = make.user("ada")
        small, large = make.repository(ada), make.repository(ada, visibility="private")
        Repository.objects.filter(pk=large.pk).update(size_bytes=10**9)
        Repository.objects.filter(pk=small.pk).update(size_bytes=1)
        rows = Client(headers=make.bearer(ada)).get("/api/settings/repositories").json()
        assert [(row["id"], row["storage"], row["visibility"]) for row in rows] == [
            (large.full_name, 10**9, "private"),
            (small.full_name, 1, "public"),
        ]
        assert client.get("/api/settings/repositories").status_code == 401
        make.organization("acme")
        bob = Client(headers=make.bearer(make.user("bob")))
        assert bob.get("/api/organizations/acme/settings/repositories").status_code == 403


class TestAvatars:
    def test_are_drawn_where_answers_say_they_are(self, client: Client) -> None:
        make.user("ada.b-c")
        url = client.get("/api/users/ada.b-c/overview").json()["avatarUrl"]
        answer = client.get(url.removeprefix("http://testserver"))
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/svg+xml")
        assert b">A</text>" in answer.content
