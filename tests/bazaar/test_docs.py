from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client


@pytest.mark.django_db
class TestDocs:
    def test_page_runs_only_the_hubs_own_scripts_and_allows_them(self, client: Client) -> None:
        answer = client.get("/api/docs")
        page = answer.content.decode()
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert re.findall(r"<script(?![^>]*src=)", page) == []
        assert all(source.startswith("/") for source in re.findall(r'(?:src|href)="([^"]+)"', page))
        script = re.findall(r'src="(/api/docs[^"]*)"', page)
        assert client.get(script[0]).headers["Content-Type"].startswith("application/javascript")


class TestSchema:
    def test_is_made_without_a_complaint(self, tmp_path: Path) -> None:
        call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yaml"))
