from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import get_resolver
from pytest_django import Settings

from bazaar.cross_origin import PROGRAM_PATHS
from tests.addresses import is_for_programs, routes
from tests.factories import hub as make

ORIGIN = {"Origin": "https://app.example"}


def test_every_route_for_programs_is_open_and_no_page_is() -> None:
    wrong, seen = [], {True: 0, False: 0}
    for address, module in routes(get_resolver().url_patterns):
        if re.search(r"^/(buckets|uploads|oauth|ns/(resolve/|raw/|info/|git-))", address):
            continue  # no repository has such an address: they are refused
        wanted = is_for_programs(address, module)
        seen[wanted] += 1
        if wanted != bool(re.match(PROGRAM_PATHS, address)):
            wrong.append((address, module))
    assert wrong == []
    assert seen[True] > 150
    assert seen[False] > 60


@pytest.mark.django_db
class TestAnswers:
    def test_public_files_can_be_read_from_any_origin(self, client: Client) -> None:
        made = make.repository(make.actor("alice"), "model")
        for address in (f"/{made.full_name}/resolve/main/.gitattributes", "/api/models?limit=1"):
            answer = client.get(address, headers=ORIGIN)
            assert answer["Access-Control-Allow-Origin"] == "*"
            exposed = answer["Access-Control-Expose-Headers"]
            for name in ("X-Repo-Commit", "X-Linked-Size", "X-Linked-ETag", "X-Xet-Hash", "Link", "ETag"):
                assert name in exposed
            assert "Access-Control-Allow-Credentials" not in answer

    def test_refusals_can_be_read_too(self, client: Client) -> None:
        answer = client.get("/api/models/no/such", headers=ORIGIN)
        assert answer.status_code in {401, 404}
        assert answer["Access-Control-Allow-Origin"] == "*"
        assert "X-Error-Code" in answer["Access-Control-Expose-Headers"]

    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
    def test_a_preflight_lets_tokens_and_ranges_through(self, client: Client, method: str) -> None:
        asked = {
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization, range, content-type",
        }
        answer = client.options("/api/models/ns/name/commit/main", headers=ORIGIN | asked)
        assert answer.status_code == 200
        assert answer["Access-Control-Allow-Origin"] == "*"
        allowed = answer["Access-Control-Allow-Headers"]
        assert {"authorization", "range", "content-type"} <= set(allowed.split(", "))
        assert method in answer["Access-Control-Allow-Methods"]
        assert "Access-Control-Allow-Credentials" not in answer

    @pytest.mark.parametrize("address", ["/", "/login", "/admin/login/", "/alice", "/healthz", "/api/docs"])
    def test_pages_stay_closed(self, client: Client, address: str) -> None:
        answer = client.get(address, headers=ORIGIN)
        assert "Access-Control-Allow-Origin" not in answer
        asked = ORIGIN | {"Access-Control-Request-Method": "GET"}
        assert "Access-Control-Allow-Origin" not in client.options(address, headers=asked)

    def test_a_session_alone_changes_nothing_from_another_origin(self) -> None:
        """A page that tricks a browser into sending its cookie lacks the CSRF token."""
        client = Client(enforce_csrf_checks=True)
        client.force_login(make.user("ada"))
        answer = client.post(
            "/api/repos/create",
            {"name": "x", "type": "model"},
            content_type="application/json",
            headers=ORIGIN,
        )
        assert answer.status_code == 403

    def test_an_operator_names_the_origins(self, client: Client, settings: Settings) -> None:
        settings.CORS_ALLOW_ALL_ORIGINS = False
        settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
        ours = client.get("/api/models", headers=ORIGIN)
        assert ours["Access-Control-Allow-Origin"] == "https://app.example"
        other = client.get("/api/models", headers={"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in other
