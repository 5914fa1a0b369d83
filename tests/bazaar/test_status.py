"""The operator's pages: the status page and the administration."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery.signals import task_postrun
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bazaar import sweeps
from foundation import redis_connection
from hub.accounts.models import User
from hub.search.tasks import score_trending
from tests.factories import hub

pytestmark = pytest.mark.django_db
LISTS = sorted(f"/admin/{m._meta.app_label}/{m._meta.model_name}/" for m in admin.site._registry)


@pytest.fixture
def operator() -> Client:
    user = hub.user("root-1")
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(User.objects.get(pk=user.pk))
    return client


@pytest.fixture
def _no_sweeps() -> Iterator[None]:
    """Redis outlives a test."""
    redis_connection.connection().delete(redis_connection.key("sweeps"))
    yield
    redis_connection.connection().delete(redis_connection.key("sweeps"))


class TestStatus:
    def test_shows_an_operator_what_waits_and_what_is_kept(self, operator: Client) -> None:
        page = operator.get("/status").content.decode()
        assert "database" in page
        assert "collect unused large objects" in page

    def test_may_load_the_sites_own_sheet_and_scripts(self, operator: Client) -> None:
        policy = operator.get("/status").headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "sandbox" not in policy

    def test_is_for_operators_alone(self, client: Client) -> None:
        assert client.get("/status").headers["Location"].startswith("/login")
        client.force_login(hub.user("eve"))
        assert client.get("/status").status_code == 403


@pytest.mark.usefixtures("_no_sweeps")
class TestSweeps:
    def test_tell_when_they_ran_and_what_stopped_them(self, operator: Client) -> None:
        score_trending.apply()
        task_postrun.send(
            sender=None,
            task=score_trending,
            state="FAILURE",
            retval=RuntimeError("disk is full"),
            task_id="1",
        )
        found = {sweep.name: sweep for sweep in sweeps.report()}
        assert found["score trending"].ran_at is not None
        assert found["score trending"].error == "RuntimeError: disk is full"
        assert found["scrub stored xorbs"].ran_at is None
        assert "disk is full" in operator.get("/status").content.decode()


class TestAdministration:
    @pytest.mark.parametrize("address", LISTS)
    def test_every_list_opens_and_searches(self, operator: Client, address: str) -> None:
        assert operator.get(address).status_code == 200
        assert operator.get(f"{address}?q=abc").status_code == 200

    def test_lists_cost_the_same_however_long(self, operator: Client) -> None:
        counts = []
        for number in range(2):
            for more in range(1 + 3 * number):
                hub.repository(hub.user(f"u{number}{more}"), "m")
            for address in ("/admin/repos/repository/", "/admin/accounts/user/", "/admin/audit/auditentry/"):
                with CaptureQueriesContext(connection) as captured:
                    operator.get(address)
                counts.append(len(captured))
        assert counts[:3] == counts[3:]

    def test_an_operator_closes_an_account_and_a_repository(self, operator: Client) -> None:
        user = hub.user("mallory")
        repository = hub.repository(user, "bad")
        operator.post(f"/admin/accounts/user/{user.pk}/change/", {"email": "m@example.org", "language": ""})
        operator.post(f"/admin/repos/repository/{repository.pk}/change/", {"is_disabled": "on"})
        user.refresh_from_db()
        repository.refresh_from_db()
        assert (user.is_active, repository.is_disabled) == (False, True)
        assert repository.full_name == "mallory/bad"

    def test_secrets_are_not_shown(self, operator: Client) -> None:
        user = hub.user("sue")
        page = operator.get(f"/admin/accounts/user/{user.pk}/change/").content.decode()
        assert "argon2" not in page

    def test_leads_to_the_sites_own_sign_in(self, client: Client) -> None:
        answer = client.get("/admin/", follow=True)
        assert answer.redirect_chain[-1][0] == "/login?next=%2Fadmin%2F"

    def test_tells_who_is_no_operator(self, client: Client) -> None:
        client.force_login(hub.user("eve"))
        assert client.get("/admin/", follow=True).status_code == 403


class TestErrorPages:
    def test_offer_another_try_only_where_it_can_help(self, client: Client) -> None:
        client.force_login(hub.user("plain-1"))
        assert "Try again" not in client.get("/status").content.decode()
        assert "Try again" not in client.get("/nowhere/at-all").content.decode()

    def test_have_the_icon_of_the_site(self, client: Client) -> None:
        """The administration and the API's page name none, so browsers ask for this one."""
        answer = client.get("/favicon.ico")
        assert (answer.status_code, answer["Location"].endswith(".svg")) == (302, True)


class TestNumbers:
    def test_have_names_in_the_plural(self, operator: Client) -> None:
        owner = hub.user()
        hub.repository(owner)
        hub.repository(owner)
        assert '<div class="muted small">models</div>' in operator.get("/status").content.decode()
