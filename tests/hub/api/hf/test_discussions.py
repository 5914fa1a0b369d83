from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.factories import hub as make

pytestmark = pytest.mark.django_db
THREADS = "/api/models/ada/thing/discussions"


@pytest.fixture
def ada() -> Client:
    user = make.user("ada")
    make.repository(user, "thing")
    return Client(headers=make.bearer(user))


def post(client: Client, path: str, body: object) -> dict[str, Any]:
    answer = client.post(f"{THREADS}{path}", body, content_type="application/json")
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


class TestDiscussions:
    def test_show_each_event_as_it_was_answered(self, ada: Client) -> None:
        post(ada, "", {"title": "Hello there", "description": "<script>x</script>", "pullRequest": False})
        answered = [
            post(ada, "/1/comment", {"comment": "One"})["newMessage"],
            post(ada, "/1/title", {"title": "Good bye"})["newTitle"],
            post(ada, "/1/status", {"status": "closed"})["newStatus"],
        ]
        seen = ada.get(f"{THREADS}/1?diff=1").json()
        assert seen["events"][1:] == answered
        assert "<script" not in seen["events"][0]["data"]["latest"]["html"]
        assert "changes" not in seen

    def test_merge_takes_null_for_a_body(self, ada: Client) -> None:
        post(ada, "", {"title": "Hello there", "description": "", "pullRequest": True})
        post(ada, "/1/status", {"status": "open"})
        answer = ada.post(f"{THREADS}/1/merge", data="null", content_type="application/json")
        assert answer.json()["newStatus"]["data"] == {"status": "merged"}
        seen = ada.get(f"{THREADS}/1").json()
        assert seen["changes"]["mergeCommitId"]
        assert "diff" not in seen

    def test_come_in_pages_by_number(self, ada: Client) -> None:
        for number in range(3):
            post(ada, "", {"title": f"Question {number}"})
        first = ada.get(f"{THREADS}?p=0").json()
        assert (first["count"], first["start"], len(first["discussions"])) == (3, 0, 3)
        last = ada.get(f"{THREADS}?p=1").json()
        assert (last["count"], last["start"], last["discussions"]) == (3, 50, [])

    @pytest.mark.parametrize(
        ("path", "body", "status"),
        [
            ("", {}, 400),
            ("", {"title": "ab"}, 400),
            ("", {"title": "Hello", "pullRequest": "yes"}, 400),
            ("", [1], 400),
            ("/2/comment", {"comment": "x"}, 404),
            ("/1/comment", {"comment": ""}, 400),
            ("/1/comment", {"comment": 7}, 400),
            ("/1/status", {"status": "merged"}, 400),
            ("/1/status", {"status": "open"}, 409),
            ("/1/merge", {}, 400),
            ("/1/comment/0123456789abcdef01234567/edit", {"content": "x"}, 404),
            ("/1/comment/%00/edit", {"content": "x"}, 404),
            ("/1/title", {"title": "a\0bc"}, 400),
        ],
    )
    def test_refuse_in_json(self, ada: Client, path: str, body: object, status: int) -> None:
        post(ada, "", {"title": "Hello there"})
        answer = ada.post(f"{THREADS}{path}", body, content_type="application/json")
        assert answer.status_code == status
        assert isinstance(answer.json()["error"], str)

    @pytest.mark.parametrize("query", ["type=planets", "status=perhaps", "p=many", "author=%00"])
    def test_refuse_unknown_filters(self, ada: Client, query: str) -> None:
        assert ada.get(f"{THREADS}?{query}").status_code == 400

    def test_of_private_repositories_are_not_found(self, ada: Client, client: Client) -> None:
        make.repository(make.actor("ada"), "secret", visibility="private")
        for answer in (
            client.get("/api/models/ada/secret/discussions"),
            client.get("/api/models/ada/secret/discussions/1"),
            client.get("/api/models/ada/missing/discussions"),
        ):
            assert answer.headers["X-Error-Code"] == "RepoNotFound"
