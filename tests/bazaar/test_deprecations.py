"""A deprecated call says so in its answers and in the description of the API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from bazaar import deprecations
from bazaar.deprecations import Deprecation

CALL = ("GET", "/api/market/v1/products/{slug}")
SINCE, REMOVED = datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 2, 29, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def described_paths() -> dict[str, Any]:
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return dict(schema["paths"])


@pytest.fixture
def deprecate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(deprecations.DEPRECATED, CALL, Deprecation(SINCE, REMOVED))


@pytest.mark.usefixtures("deprecate")
class TestDeprecatedCall:
    def test_has_headers_also_when_it_is_refused(self, client: Client) -> None:
        answer = client.get("/api/market/v1/products/none")
        assert answer.status_code == 404
        assert answer.headers["Deprecation"] == "@1798761600"
        assert answer.headers["Sunset"] == "Tue, 29 Feb 2028 12:00:00 GMT"
        assert answer.headers["Link"] == '</api/docs>; rel="deprecation"; type="text/html"'

    def test_is_marked_in_the_description(self) -> None:
        paths = described_paths()
        marked = {path for path, calls in paths.items() if calls.get("get", {}).get("deprecated")}
        assert marked == {CALL[1]}

    def test_is_the_only_one_with_headers(self, client: Client) -> None:
        assert "Deprecation" not in client.get("/api/market/v1/products").headers
        assert "Deprecation" not in client.post("/api/market/v1/products/none").headers


class TestTable:
    def test_names_calls_that_there_are(self) -> None:
        # The hook raises KeyError for any other.
        assert described_paths()

    def test_refuses_a_call_that_there_is_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(deprecations.DEPRECATED, ("GET", "/api/market/v1/none"), Deprecation(SINCE))
        with pytest.raises(KeyError):
            described_paths()
