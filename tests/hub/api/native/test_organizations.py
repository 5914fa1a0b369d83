from __future__ import annotations

import pytest
from django.test import Client

from hub.accounts.models import Role
from hub.community import jobs
from hub.community.models import DiscussionEvent
from hub.community.services import discussions as threads
from hub.repos import services as repos
from tests.clock import moment
from tests.factories import hub as make
from tests.factories.hub import NOW

pytestmark = pytest.mark.django_db
API = "/api/hub/v1"


def as_(name: str) -> Client:
    user = make.actor(name).user
    assert user is not None
    return Client(headers=make.bearer(user))


class TestOrganizations:
    def test_are_made_joined_and_left(self) -> None:
        ada, bob = as_("ada"), as_("bob")
        made = ada.post(f"{API}/organizations", {"name": "Acme"}, content_type="application/json")
        assert (made.status_code, made.json()["kind"]) == (201, "organization")
        member = f"{API}/organizations/acme/members/bob"
        answer = bob.put(member, {"role": "admin"}, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (403, "namespace_denied")
        assert ada.put(member, {"role": "write"}, content_type="application/json").json()["role"] == "write"
        listed = bob.get(f"{API}/organizations/acme/members").json()
        assert [(row["name"], row["role"]) for row in listed] == [("ada", "admin"), ("bob", "write")]
        assert bob.delete(member).status_code == 204
        assert bob.get(f"{API}/organizations").json() == []

    def test_keep_their_last_admin(self) -> None:
        ada = as_("ada")
        ada.post(f"{API}/organizations", {"name": "Acme"}, content_type="application/json")
        member = f"{API}/organizations/acme/members/ada"
        for answer in (
            ada.delete(member),
            ada.put(member, {"role": "read"}, content_type="application/json"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")

    def test_are_renamed_and_found_under_both_names(self) -> None:
        ada = as_("ada")
        ada.post(f"{API}/organizations", {"name": "Acme"}, content_type="application/json")
        renamed = ada.put(f"{API}/namespaces/Acme/name", {"name": "Apex"}, content_type="application/json")
        assert renamed.json()["name"] == "Apex"
        assert ada.get(f"{API}/organizations/acme").json()["name"] == "Apex"

    def test_show_their_quota_to_members_only(self) -> None:
        user = make.user("carl")
        make.organization("acme", {user: Role.READ})
        assert as_("carl").get(f"{API}/namespaces/acme/quota").json() == {
            "storage_used_bytes": 0,
            "storage_limit_bytes": 0,
            "repositories_used": 0,
            "repositories_limit": 0,
        }
        assert as_("bob").get(f"{API}/namespaces/acme/quota").status_code == 403


class TestRepositories:
    def test_come_back_under_another_name(self) -> None:
        ada = make.actor("ada")
        repository = make.repository(ada, "thing")
        repos.delete_repository(actor=ada, repository=repository, now=moment())
        make.repository(ada, "thing")
        row = as_("ada").get(f"{API}/repositories/deleted").json()[0]
        assert row["repo_id"] == "ada/thing"
        restore = f"{API}/repositories/deleted/{row['id']}/restore"
        assert as_("bob").post(restore).status_code == 404
        again = as_("ada").post(restore, {}, content_type="application/json")
        assert (again.status_code, again.json()["code"]) == (409, "repository_exists")
        other = as_("ada").post(restore, {"name": "thing-2"}, content_type="application/json")
        assert other.json()["repo_id"] == "ada/thing-2"

    def test_are_archived(self) -> None:
        make.repository(make.actor("ada"), "thing")
        path = f"{API}/repositories/model/ada/thing/archive"
        answer = as_("ada").put(path, {"is_archived": True}, content_type="application/json")
        assert answer.json()["is_archived"]
        assert as_("bob").put(path, {"is_archived": True}, content_type="application/json").status_code == 403

    def test_take_collaborators(self) -> None:
        make.repository(make.actor("ada"), "thing", visibility="private")
        bob = as_("bob")
        path = f"{API}/repositories/model/ada/thing/collaborators"
        assert bob.get("/api/models/ada/thing").status_code == 404
        as_("ada").put(f"{path}/bob", {"role": "read"}, content_type="application/json")
        assert [row["name"] for row in as_("ada").get(path).json()] == ["bob"]
        assert bob.get("/api/models/ada/thing").status_code == 200
        assert bob.get(path).status_code == 403
        as_("ada").delete(f"{path}/bob")
        assert bob.get("/api/models/ada/thing").status_code == 404


class TestNotificationsAndWatches:
    def test_are_listed_and_marked(self) -> None:
        ada, bob = make.actor("ada"), make.actor("bob")
        repository = make.repository(ada, "thing")
        as_("carl").put(
            f"{API}/watches",
            {"type": "model", "name": "ada/thing", "is_watching": True},
            content_type="application/json",
        )
        threads.open_discussion(actor=bob, repository=repository, title="Hello there", text="", now=NOW)
        jobs.notify(event_id=DiscussionEvent.objects.get().pk, now=NOW)
        carl = as_("carl")
        seen = carl.get(f"{API}/notifications?unread=true").json()
        assert [(row["repo_id"], row["reason"]) for row in seen["items"]] == [("ada/thing", "watch")]
        assert (seen["unread"], seen["next"]) == (1, None)
        marked = carl.post(f"{API}/notifications", {}, content_type="application/json")
        assert marked.json() == {"changed": 1}
        assert carl.get(f"{API}/notifications?unread=true").json()["items"] == []
        assert carl.get(f"{API}/watches").json() == [{"type": "model", "name": "ada/thing"}]

    def test_need_somebody(self, client: Client) -> None:
        assert client.get(f"{API}/notifications").status_code == 401
        assert client.get(f"{API}/watches").status_code == 401


class TestStatistics:
    def test_count_what_is_public(self, client: Client) -> None:
        ada = make.actor("ada")
        make.repository(ada)
        make.repository(ada, visibility="private")
        seen = client.get(f"{API}/statistics").json()
        assert (seen["users"], seen["repositories"]["model"]) == (1, 1)


class TestSchema:
    def test_describes_every_route_and_its_page_loads_nothing_from_elsewhere(self, client: Client) -> None:
        schema = client.get("/api/schema?format=json").json()
        assert "/api/hub/v1/tokens" in schema["paths"]
        page = client.get("/api/docs").content.decode()
        assert "https://" not in page
