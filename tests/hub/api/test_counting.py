from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

from hub.downloads import jobs
from hub.downloads.models import DailyDownloads
from tests.factories import hub

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_counters(settings: Settings, request: pytest.FixtureRequest) -> None:
    settings.REDIS_PREFIX = f"test-counting-{request.node.name}"


class TestCountDownload:
    def test_counts_a_requester_once_however_many_files_and_ranges(self, client: Client) -> None:
        ada = hub.actor("ada")
        made = hub.repository(ada, "model")
        url = "/ada/model/resolve/main/.gitattributes"
        for headers in ({}, {}, {"Range": "bytes=0-9"}):
            assert client.get(url, headers=headers).status_code in {200, 206}
        assert client.get(url, headers=hub.bearer(hub.user("bob"))).status_code == 200
        client.head(url)
        client.get("/ada/model/resolve/main/missing")
        client.get("/api/models/ada/model")
        jobs.flush(now=hub.NOW)
        day = DailyDownloads.objects.get(repository=made)
        assert (day.downloads, day.requests) == (2, 4)
        made.refresh_from_db()
        assert made.downloads_total == 2
