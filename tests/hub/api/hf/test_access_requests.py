from __future__ import annotations

import pytest
from django.test import Client

from hub.accounts.models import User
from hub.repos.models import AccessRequest
from tests.factories import hub as make

pytestmark = pytest.mark.django_db
REQUESTS = "/api/models/ada/gated/user-access-request"


def as_(user: User) -> Client:
    return Client(headers=make.bearer(user))


@pytest.fixture
def ada() -> User:
    user = make.user("ada")
    make.repository(user, "gated", gating="manual")
    return user


class TestAsking:
    def test_by_a_form_leads_back_to_the_page(self, ada: User) -> None:
        answer = as_(make.user("bob")).post(
            "/ada/gated/ask-access", {"why": "science"}, headers={"Accept": "text/html"}
        )
        assert (answer.status_code, answer.headers["Location"]) == (302, "http://testserver/ada/gated")
        assert AccessRequest.objects.get().fields == {"why": "science"}

    def test_needs_somebody(self, ada: User, client: Client) -> None:
        assert client.post("/ada/gated/ask-access").status_code == 401

    def test_works_for_every_kind(self, ada: User) -> None:
        make.repository(ada, "gated", kind="dataset", gating="auto")
        answer = as_(make.user("bob")).post("/datasets/ada/gated/ask-access", headers={"Accept": "*/*"})
        assert answer.json()["status"] == "accepted"


class TestHandling:
    def test_is_by_the_id_that_lists_give(self, ada: User) -> None:
        as_(make.user("bob", email="bob@example.org")).post("/ada/gated/ask-access")
        (row,) = as_(ada).get(f"{REQUESTS}/pending").json()
        assert (row["user"]["user"], row["user"]["email"], row["fields"]) == ("bob", "bob@example.org", None)
        body = {"requestId": row["requestId"], "status": "rejected", "rejectionReason": "No"}
        assert as_(ada).post(f"{REQUESTS}/handle", body, content_type="application/json").status_code == 200
        (row,) = as_(ada).get(f"{REQUESTS}/rejected").json()
        assert (row["rejectionReason"], row["grantedBy"]) == ("No", {"user": "ada"})

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"requestId": "f" * 24, "status": "accepted"}, 404),
            ({"requestId": "7", "status": "accepted"}, 400),
            ({"user": "bob", "status": "accepted"}, 404),
            ({"user": "nobody", "status": "accepted"}, 404),
            ({"status": "accepted"}, 400),
            ({"user": ["bob"], "status": "accepted"}, 400),
            ({"user": "bob"}, 400),
        ],
    )
    def test_refuses_what_names_no_request(self, ada: User, body: object, status: int) -> None:
        make.user("bob")
        answer = as_(ada).post(f"{REQUESTS}/handle", body, content_type="application/json")
        assert answer.status_code == status
        assert answer.json()["error"]

    def test_hides_the_address_of_those_let_in_unasked(self, ada: User) -> None:
        make.user("bob", email="bob@example.org")
        as_(ada).post(f"{REQUESTS}/grant", {"user": "bob"}, content_type="application/json")
        (row,) = as_(ada).get(f"{REQUESTS}/accepted").json()
        assert (row["user"]["user"], row["user"]["email"]) == ("bob", None)

    def test_of_an_open_repository_is_a_bad_request(self, ada: User) -> None:
        make.repository(ada, "open")
        answer = as_(ada).get("/api/models/ada/open/user-access-request/pending")
        assert answer.status_code == 400
        assert as_(ada).get(f"{REQUESTS}/perhaps").status_code == 400
