"""The public address: the operator's setting, else what the request names."""

from __future__ import annotations

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from foundation import addresses

REQUEST = {"SERVER_NAME": "localhost", "SERVER_PORT": "8000", "wsgi.url_scheme": "http"}


@pytest.mark.parametrize(
    ("public_url", "base", "location", "host_name"),
    [
        ("", "http://localhost:8000", "localhost:8000", "localhost"),
        ("https://hub.example.org", "https://hub.example.org", "hub.example.org", "hub.example.org"),
        (
            "https://example.org:8443/hub",
            "https://example.org:8443/hub",
            "example.org:8443/hub",
            "example.org",
        ),
        ("http://[::1]:8000", "http://[::1]:8000", "[::1]:8000", "::1"),
    ],
)
def test_of_a_request(settings: Settings, public_url: str, base: str, location: str, host_name: str) -> None:
    settings.PUBLIC_URL = public_url
    request = RequestFactory().get("/somewhere", **REQUEST)
    assert addresses.base_of(request) == base
    assert addresses.location_of(request) == location
    assert addresses.host_name_of(request) == host_name
    assert addresses.absolute(request, "/api/models?limit=1") == f"{base}/api/models?limit=1"


def test_outside_of_a_request(settings: Settings) -> None:
    settings.LOCAL_URL = "http://127.0.0.1:8000"
    settings.PUBLIC_URL = ""
    assert addresses.base() == "http://127.0.0.1:8000"
    settings.PUBLIC_URL = "https://hub.example.org"
    assert addresses.base() == "https://hub.example.org"
