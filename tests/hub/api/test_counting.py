from __future__ import annotations

import pytest
from django.test import Client, RequestFactory
from pytest_django import Settings

from hub.api.counting import is_part_of_a_page
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


class TestIsPartOfAPage:
    """Headers of Chromium, Firefox and Safari over HTTPS, and over plain HTTP."""

    @pytest.mark.parametrize(
        ("what", "headers", "is_part"),
        [
            ("a picture in a card", {"Sec-Fetch-Dest": "image", "Sec-Fetch-Site": "same-origin"}, True),
            ("a picture on another site", {"Sec-Fetch-Dest": "image", "Sec-Fetch-Site": "cross-site"}, True),
            ("a video in a card", {"Sec-Fetch-Dest": "video", "Range": "bytes=0-"}, True),
            ("a script of our pages", {"Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin"}, True),
            ("transformers.js elsewhere", {"Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "cross-site"}, False),
            (
                "a click on Download",
                {
                    "Sec-Fetch-Dest": "document",
                    "Sec-Fetch-Site": "same-origin",
                    "Referer": "http://testserver/a/b",
                },
                False,
            ),
            (
                "a picture, plain HTTP",
                {"Referer": "http://testserver/ada/model", "Accept": "image/avif,image/webp,*/*;q=0.8"},
                True,
            ),
            (
                "a click, plain HTTP",
                {"Referer": "http://testserver/ada/model", "Accept": "text/html,application/xhtml+xml,*/*"},
                False,
            ),
            ("a program of another site", {"Referer": "https://example.org/x", "Accept": "*/*"}, False),
            ("a broken referer", {"Referer": "http://[::1", "Accept": "*/*"}, False),
            ("huggingface_hub", {"User-Agent": "hf_hub/2.4.0", "Accept": "*/*"}, False),
            ("curl", {"Accept": "*/*"}, False),
        ],
    )
    def test_knows_pages_from_programs(self, what: str, headers: dict[str, str], is_part: bool) -> None:
        request = RequestFactory().get("/ada/model/resolve/main/p.png", headers=headers)
        assert is_part_of_a_page(request) is is_part, what

    def test_a_cards_own_pictures_are_no_downloads(self, client: Client) -> None:
        made = hub.repository(hub.actor("ada"), "model")
        for headers in ({"Sec-Fetch-Dest": "image"}, {"Referer": "http://testserver/ada/model"}):
            for address in (
                "/ada/model/resolve/main/.gitattributes",
                "/modelscope/api/v1/models/ada/model/repo?FilePath=.gitattributes",
            ):
                assert client.get(address, headers=headers).status_code == 200
        jobs.flush(now=hub.NOW)
        assert not DailyDownloads.objects.filter(repository=made).exists()
