"""ModelScope's cookie holds a token: it goes to that wire alone, and other sites cannot use it."""

from __future__ import annotations

import pytest
from django.test import Client

from hub.repos.models import Repository
from tests.factories import hub as make

pytestmark = pytest.mark.django_db
API = "/modelscope/api/v1"
NEW = '{"Path": "ada", "Name": "new"}'


@pytest.fixture
def secret() -> str:
    return make.token(make.user("ada"), "write")


def test_is_strict_and_bound_to_the_mount(client: Client, secret: str) -> None:
    client.post(f"{API}/login", {"AccessToken": secret}, content_type="application/json")
    cookie = client.cookies["m_session_id"]
    assert (cookie["samesite"], cookie["path"], cookie["httponly"]) == ("Strict", "/modelscope", True)


@pytest.mark.parametrize("header", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_does_not_count_with_what_a_form_of_another_site_can_send(
    client: Client, secret: str, header: dict[str, str], content_type: str
) -> None:
    client.cookies["m_session_id"] = secret
    answer = client.post(f"{API}/models", NEW, content_type=content_type, headers=header)
    assert answer.status_code == 403
    assert not Repository.objects.exists()


def test_counts_with_json_and_for_programs(client: Client, secret: str) -> None:
    client.cookies["m_session_id"] = secret
    same = {"Origin": "http://testserver"}
    assert client.post(f"{API}/models", NEW, content_type="application/json", headers=same).status_code == 200
    assert client.post(f"{API}/datasets", {"Owner": "ada", "Name": "rows"}).status_code == 200
    assert Repository.objects.count() == 2
