"""Sign-up, sign-in and settings as a browser without scripts sees them."""

from __future__ import annotations

import pytest
from django.test import Client

from hub.accounts.models import AccessToken, Membership, User
from tests.hub.web.conftest import PASSWORD

pytestmark = pytest.mark.django_db


class TestSignUp:
    def test_makes_a_user_and_signs_in(self, client: Client) -> None:
        answer = client.post("/join", {"name": "eva", "email": "eva@example.org", "password": PASSWORD})
        assert answer.status_code == 302
        assert answer["Location"] == "/eva"
        assert client.get("/settings/profile").status_code == 200

    def test_says_in_the_form_that_a_name_is_taken(self, client: Client, ada: User) -> None:
        answer = client.post("/join", {"name": "ADA", "email": "x@example.org", "password": PASSWORD})
        assert answer.status_code == 422
        assert "is taken" in answer.content.decode()

    def test_says_all_that_is_wrong_at_once_each_at_its_field(self, client: Client, ada: User) -> None:
        answer = client.post("/join", {"name": "-no-", "email": "x@example.org", "password": "short"})
        page = answer.content.decode()
        assert answer.status_code == 422
        assert "a name has 1 to 96 letters" in page
        assert "This password is too short." in page
        assert page.count('aria-invalid="true"') == 2
        assert 'class="errors all"' not in page
        taken = client.post("/join", {"name": "ADA", "email": "x@example.org", "password": PASSWORD})
        assert taken.content.decode().count('aria-invalid="true"') == 1

    def test_refuses_a_name_that_a_page_stands_at(self, client: Client) -> None:
        answer = client.post("/join", {"name": "settings", "email": "x@example.org", "password": PASSWORD})
        assert answer.status_code == 422


class TestSignIn:
    def test_leads_back_to_where_it_was_asked_for(self, client: Client, ada: User) -> None:
        answer = client.post("/login", {"name": "ada", "password": PASSWORD, "next": "/settings/tokens"})
        assert answer["Location"] == "/settings/tokens"

    @pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
    def test_never_leads_to_another_host(self, client: Client, ada: User, address: str) -> None:
        answer = client.post("/login", {"name": "ada", "password": PASSWORD, "next": address})
        assert answer["Location"] == "/"

    def test_slows_down_guessing(self, client: Client, ada: User) -> None:
        for _ in range(10):
            assert client.post("/login", {"name": "ada", "password": "wrong"}).status_code == 422
        answer = client.post("/login", {"name": "ada", "password": PASSWORD})
        assert answer.status_code == 422
        assert "Too many" in answer.content.decode()

    def test_a_page_for_members_leads_strangers_to_it(self, client: Client) -> None:
        answer = client.get("/settings/tokens")
        assert answer["Location"] == "/login?next=%2Fsettings%2Ftokens"

    def test_needs_the_token_of_the_form(self, ada: User) -> None:
        strict = Client(enforce_csrf_checks=True)
        answer = strict.post("/login", {"name": "ada", "password": PASSWORD})
        assert answer.status_code == 403
        assert "has expired" in answer.content.decode()


class TestTokens:
    def test_shows_the_text_once(self, signed_in: Client) -> None:
        answer = signed_in.post("/settings/tokens", {"name": "ci", "scopes": ["read", "write"], "days": "30"})
        assert "hf_" in answer.content.decode()
        assert answer["Cache-Control"] == "no-store"
        assert "hf_" not in signed_in.get("/settings/tokens").content.decode()
        assert AccessToken.objects.get().scopes == ["read", "write"]

    def test_can_reach_one_namespace_only(self, signed_in: Client, ada: User) -> None:
        signed_in.post("/settings/tokens", {"name": "ci", "scopes": ["write"], "reach": ada.namespace_id})
        token = AccessToken.objects.get()
        assert token.is_fine_grained
        assert token.grants.get().can_write

    def test_revokes_only_ones_own(self, signed_in: Client, bob: User) -> None:
        other = Client()
        other.force_login(bob)
        other.post("/settings/tokens", {"name": "x", "scopes": ["read"]})
        token = AccessToken.objects.get()
        assert signed_in.post(f"/settings/tokens/{token.pk}/revoke").status_code == 404
        assert other.post(f"/settings/tokens/{token.pk}/revoke").status_code == 302


class TestOrganizations:
    def test_its_maker_adds_members_and_changes_roles(self, signed_in: Client, bob: User) -> None:
        signed_in.post("/organizations/new", {"name": "lab", "default_visibility": "public"})
        for role in ("read", "admin"):
            signed_in.post("/organizations/lab/settings", {"user": "bob", "role": role})
        assert Membership.objects.get(user=bob).role == "admin"

    def test_keeps_its_last_admin(self, signed_in: Client) -> None:
        signed_in.post("/organizations/new", {"name": "lab", "default_visibility": "public"})
        assert signed_in.post("/organizations/lab/members/ada/remove").status_code == 409

    def test_is_closed_to_others(self, signed_in: Client, bob: User) -> None:
        signed_in.post("/organizations/new", {"name": "lab", "default_visibility": "public"})
        other = Client()
        other.force_login(bob)
        assert other.get("/organizations/lab/settings").status_code == 403


class TestPreferences:
    def test_keeps_language_and_theme_in_cookies(self, client: Client) -> None:
        answer = client.post("/preferences", {"language": "zh-hans", "theme": "dark", "next": "/login"})
        assert answer["Location"] == "/login"
        page = client.get("/login").content.decode()
        assert 'lang="zh-Hans"' in page
        assert 'data-theme="dark"' in page
