from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

from hub.accounts.models import AccessToken, Role, User
from tests.factories import hub as make

pytestmark = pytest.mark.django_db
API = "/api/hub/v1"
NEW = {"name": "ada", "password": make.PASSWORD, "email": "ada@example.org"}


def as_(user: User, *scopes: str) -> Client:
    return Client(headers=make.bearer(user, *scopes))


class TestSignUp:
    def test_makes_an_account_that_can_sign_in(self, client: Client) -> None:
        made = client.post(f"{API}/accounts", NEW, content_type="application/json")
        assert (made.status_code, made.json()["name"]) == (201, "ada")
        assert "password" not in made.json()
        signed_in = client.post(f"{API}/session", NEW, content_type="application/json")
        assert signed_in.json()["user"]["name"] == "ada"
        assert client.get(f"{API}/session").json()["scopes"] == ["read", "write", "trade", "deploy"]

    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({"name": "market"}, 400, "name_refused"),
            ({"name": "taken"}, 409, "name_taken"),
            ({"password": "short"}, 400, "weak_password"),
            ({"email": "no address"}, 400, "invalid"),
        ],
    )
    def test_says_what_is_wrong(self, client: Client, change: dict[str, str], status: int, code: str) -> None:
        make.user("taken", email="taken@example.org")
        answer = client.post(f"{API}/accounts", NEW | change, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.json()["error"]

    def test_is_refused_where_the_operator_closed_it(self, client: Client, settings: Settings) -> None:
        settings.SIGN_UP_OPEN = False
        answer = client.post(f"{API}/accounts", NEW, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (403, "sign_up_closed")


class TestSession:
    def test_of_nobody_is_no_error(self, client: Client) -> None:
        assert client.get(f"{API}/session").json() == {
            "user": None,
            "organizations": [],
            "scopes": [],
            "is_fine_grained": False,
        }

    def test_names_what_a_token_reaches(self) -> None:
        user = make.user("ada")
        make.organization("acme", {user: Role.ADMIN})
        seen = as_(user, "read").get(f"{API}/session").json()
        assert (seen["user"]["name"], seen["scopes"]) == ("ada", ["read"])
        assert seen["organizations"] == [{"name": "acme", "full_name": "", "role": "admin"}]

    def test_refuses_a_wrong_password_and_an_unknown_token(self, client: Client) -> None:
        make.user("ada", password=make.PASSWORD)
        wrong = {"name": "ada", "password": "wrong password"}
        answer = client.post(f"{API}/session", wrong, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_credentials")
        answer = client.get(f"{API}/session", headers={"Authorization": "Bearer hf_unknown"})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")

    def test_changes_nothing_by_a_cookie_without_the_csrf_token(self) -> None:
        user = make.user("ada", password=make.PASSWORD)
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(user)
        answer = browser.patch(f"{API}/profile", {"details": "x"}, content_type="application/json")
        assert answer.status_code == 403


class TestProfile:
    def test_is_changed_field_by_field(self) -> None:
        ada = as_(make.user("ada", full_name="Ada"))
        ada.patch(f"{API}/profile", {"details": "I compute."}, content_type="application/json")
        seen = ada.get(f"{API}/profile").json()
        assert (seen["full_name"], seen["details"]) == ("Ada", "I compute.")

    def test_password_change_needs_the_old_one(self, client: Client) -> None:
        ada = as_(make.user("ada", password=make.PASSWORD))
        wrong = {"old": "nonsense", "new": "another good phrase"}
        answer = ada.put(f"{API}/profile/password", wrong, content_type="application/json")
        assert answer.json()["code"] == "bad_credentials"
        right = {"old": make.PASSWORD, "new": "another good phrase"}
        assert ada.put(f"{API}/profile/password", right, content_type="application/json").status_code == 204
        signed_in = {"name": "ada", "password": "another good phrase"}
        assert client.post(f"{API}/session", signed_in, content_type="application/json").status_code == 200


class TestTokens:
    def test_are_shown_once_and_listed_without_their_text(self) -> None:
        ada = as_(make.user("ada"))
        asked = {"name": "laptop", "scopes": ["read"]}
        made = ada.post(f"{API}/tokens", asked, content_type="application/json").json()
        listed = ada.get(f"{API}/tokens").json()
        assert made["secret"].endswith(made["hint"])
        assert made["secret"] not in str(listed)
        assert [token["name"] for token in listed] == ["laptop", "test"]
        used = Client(headers={"Authorization": f"Bearer {made['secret']}"})
        assert used.get(f"{API}/session").json()["scopes"] == ["read"]

    def test_stop_working_when_revoked(self) -> None:
        ada = as_(make.user("ada"))
        asked = {"name": "laptop", "scopes": ["read"]}
        made = ada.post(f"{API}/tokens", asked, content_type="application/json").json()
        assert ada.delete(f"{API}/tokens/{made['id']}").status_code == 204
        used = Client(headers={"Authorization": f"Bearer {made['secret']}"})
        assert used.get(f"{API}/session").status_code == 401
        bob = as_(make.user("bob"))
        other = AccessToken.objects.get(user__namespace__name="ada")
        assert bob.delete(f"{API}/tokens/{other.pk}").status_code == 404

    def test_reach_only_what_they_are_granted(self) -> None:
        user = make.user("ada")
        make.repository(user, "one", visibility="private")
        make.repository(user, "two", visibility="private")
        asked = {
            "name": "ci",
            "scopes": ["write"],
            "grants": [{"repository": {"kind": "model", "repo_id": "ada/one"}, "can_write": True}],
        }
        made = as_(user).post(f"{API}/tokens", asked, content_type="application/json").json()
        used = Client(headers={"Authorization": f"Bearer {made['secret']}"})
        assert made["is_fine_grained"]
        assert used.get("/api/models/ada/one").status_code == 200
        assert used.get("/api/models/ada/two").status_code == 404
        answer = used.post(f"{API}/tokens", asked, content_type="application/json")
        assert answer.status_code == 403

    def test_are_not_made_by_tokens_that_only_read(self) -> None:
        ada = as_(make.user("ada"), "read")
        asked = {"name": "more", "scopes": ["write"]}
        answer = ada.post(f"{API}/tokens", asked, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")

    def test_need_a_name_and_known_scopes(self) -> None:
        answer = as_(make.user("ada")).post(
            f"{API}/tokens", {"scopes": ["fly"]}, content_type="application/json"
        )
        assert answer.status_code == 400
        assert set(answer.json()["fields"]) == {"name", "scopes"}
