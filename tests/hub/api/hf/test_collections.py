from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.factories import hub as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Client:
    return Client(headers=make.bearer(make.user("ada")))


def created(client: Client, title: str = "Small models", **more: Any) -> dict[str, Any]:
    body = {"title": title, "namespace": "ada", "private": False, **more}
    answer = client.post("/api/collections", body, content_type="application/json")
    assert answer.status_code == 200
    return dict(answer.json())


class TestCollections:
    def test_in_lists_leave_out_their_position(self, ada: Client, client: Client) -> None:
        made = created(ada)
        assert made["position"] == 0
        (row,) = client.get("/api/collections?owner=ada").json()
        assert "position" not in row
        assert row["slug"] == made["slug"]
        assert {"title", "owner", "items", "lastUpdated", "private", "theme", "upvotes"} <= set(row)

    def test_twice_by_one_title_name_the_first(self, ada: Client) -> None:
        made = created(ada)
        again = ada.post(
            "/api/collections",
            {"title": "Small models", "namespace": "ada"},
            content_type="application/json",
        )
        assert (again.status_code, again.json()["slug"]) == (409, made["slug"])

    def test_answer_a_change_with_data(self, ada: Client) -> None:
        made = created(ada)
        answer = ada.patch(
            f"/api/collections/{made['slug']}", {"theme": "pink"}, content_type="application/json"
        )
        assert answer.json()["data"]["theme"] == "pink"

    def test_come_in_pages(self, ada: Client, client: Client) -> None:
        for number in range(3):
            created(ada, f"Title {number}")
        first = client.get("/api/collections?owner=ada&limit=2")
        second = client.get(first.headers["Link"][1:].partition(">")[0])
        assert (len(first.json()), len(second.json()), "Link" in second.headers) == (2, 1, False)

    def test_preview_four_items_in_a_few_queries(
        self, ada: Client, client: Client, django_assert_max_num_queries: pytest.FixtureRequest
    ) -> None:
        repositories = [make.repository(make.actor("ada")) for _ in range(6)]
        for number in range(3):
            made = created(ada, f"Title {number}")
            for repository in repositories:
                item = {"item": {"type": "model", "id": repository.full_name}}
                ada.post(f"/api/collections/{made['slug']}/items", item, content_type="application/json")
        with django_assert_max_num_queries(4):  # type: ignore[operator]
            rows = client.get("/api/collections").json()
        assert [len(row["items"]) for row in rows] == [4, 4, 4]

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"item": "model"}, 400),
            ({"item": {"type": "model"}}, 400),
            ({"item": {"type": "model", "id": "ada/none"}}, 404),
            ({"item": {"type": "bucket", "id": "ada/b"}}, 404),
            ({"item": {"type": "planet", "id": "mars"}}, 400),
        ],
    )
    def test_refuse_items_that_are_none(self, ada: Client, body: object, status: int) -> None:
        path = f"/api/collections/{created(ada)['slug']}/items"
        assert ada.post(path, body, content_type="application/json").status_code == status

    def test_have_no_resource_groups(self, ada: Client) -> None:
        path = f"/api/collections/{created(ada)['slug']}/resource-group"
        answer = ada.post(path, {}, content_type="application/json")
        assert (answer.status_code, "Resource groups" in answer.json()["error"]) == (501, True)
