"""Nothing that a client can send makes these dialects crash, or answer in HTML.

Every address of a dialect is asked by every method, with words, queries and bodies that no client means.
ModelScope's client tries for long what was answered with 5xx, and OpenCSG's parses whatever comes as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.api.csghub import urls as csghub
from hub.api.modelscope import urls as modelscope
from tests.factories import hub as make

pytestmark = pytest.mark.django_db

WORDS = (
    *(
        "alice",
        "tiny",
        "main",
        "master",
        "models",
        "a.txt",
        "1",
        "0",
        "-1",
        "9" * 25,
        "nan",
        "inf",
        "true",
        "null",
    ),
    *(
        "",
        " ",
        "..",
        "../..",
        ".git",
        "a" * 300,
        "\x00",
        "\n",
        "名前",
        "\ud800",
        "%",
        "'\"<b>",
        "refs/heads/x",
    ),
    *("0" * 40, "f" * 64, "RUFCQw==", "!!", "m" * 5000),
)
KEYS = (
    *(
        "Path",
        "Owner",
        "Name",
        "Visibility",
        "ProtectedMode",
        "Description",
        "License",
        "AccessToken",
        "objects",
    ),
    *(
        "oid",
        "size",
        "operation",
        "actions",
        "action",
        "path",
        "content",
        "encoding",
        "commit_message",
        "type",
    ),
    *(
        "namespace",
        "name",
        "default_branch",
        "license",
        "private",
        "files",
        "message",
        "branch",
        "new_branch",
    ),
    *("upload_id", "sha256", "TagName", "Ref", "transfers", "parts", "sample", "lfs", "hash", "mode", "blob"),
)
QUERY = (
    "Revision",
    "Root",
    "Recursive",
    "PageNumber",
    "PageSize",
    "FilePath",
    "EndTime",
    "per",
    "page",
    "grant",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH")
# 501 says that a feature does not exist here, 503 that a service is busy.
MEANT = {501, 503}

words = st.one_of(st.sampled_from(WORDS), st.text(max_size=12))
values = st.recursive(
    st.one_of(
        words, st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from([10**30, -(2**63)])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
    ),
    max_leaves=12,
)
bodies = st.one_of(
    st.dictionaries(st.sampled_from(KEYS), values, max_size=8).map(lambda body: json.dumps(body).encode()),
    values.map(lambda body: json.dumps(body).encode()),
    st.binary(max_size=60),
)
TYPES = st.sampled_from(
    ["application/json", "application/vnd.git-lfs+json", "text/plain", "multipart/form-data; boundary=x", ""]
)


def addresses(patterns: list[Any], before: str = "") -> Iterator[str]:
    """Every address below, with its gaps as `<converter:name>`."""
    for pattern in patterns:
        text = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, text)
        elif isinstance(pattern, URLPattern):
            yield text


CSGHUB = sorted(set(addresses(csghub.urlpatterns, "/")))
MODELSCOPE = sorted(set(addresses(modelscope.urlpatterns, "/modelscope/")))
GAP = re.compile(r"<(?:(\w+):)?(\w+)>")


@st.composite
def requests(draw: st.DrawFn, known: list[str]) -> dict[str, Any]:
    def fill(gap: re.Match[str]) -> str:
        usual = {"repo_id": "alice/tiny", "int": "1", "oid": "f" * 64}.get(gap[1] or "", "")
        if usual and draw(st.integers(0, 9)):
            return usual
        return quote(draw(words), safe="/" if gap[1] == "rest" else "", errors="replace")

    path = GAP.sub(fill, draw(st.sampled_from(known)))
    query = urlencode(draw(st.dictionaries(st.sampled_from(QUERY), words, max_size=4)), errors="replace")
    return {
        "method": draw(st.sampled_from(METHODS)),
        "path": path,
        "query": query,
        "body": draw(bodies),
        "type": draw(TYPES),
        "is_signed_in": draw(st.integers(0, 4)) > 0,
    }


@pytest.fixture
def headers() -> Mapping[str, str]:
    alice = make.user("alice")
    make.repository(alice, "tiny", files={"a.txt": b"0123456789"})
    return make.bearer(alice)


def ask(client: Client, asked: dict[str, Any], headers: Mapping[str, str]) -> None:
    raw = f"{asked['path']}?{asked['query']}"
    answer = client.generic(
        asked["method"],
        raw,
        asked["body"],
        content_type=asked["type"],
        headers=dict(headers) if asked["is_signed_in"] else {},
        RAW_URI=raw,
    )
    shown = (asked["method"], raw, asked["body"], answer.status_code)
    assert answer.status_code < 500 or answer.status_code in MEANT, shown
    if answer.status_code >= 400:
        body = answer.getvalue()
        assert "html" not in answer.get("Content-Type", ""), shown
        if asked["method"] != "HEAD":
            assert isinstance(json.loads(body), dict), shown


quickly = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize(
    "path", ["/api/v1/", "/v1/sandboxes/", "/api/v1/nothing", "/modelscope/", "/modelscope/x"]
)
class TestNothing:
    def test_is_said_in_json(self, path: str, client: Client) -> None:
        answer = client.get(path)
        assert answer.status_code in {404, 501}
        assert isinstance(answer.json(), dict)


class TestOpenCsg:
    @quickly
    @given(asked=requests(CSGHUB))
    def test_takes_anything(self, asked: dict[str, Any], client: Client, headers: Mapping[str, str]) -> None:
        ask(client, asked, headers)


class TestModelScope:
    @quickly
    @given(asked=requests(MODELSCOPE))
    def test_takes_anything(self, asked: dict[str, Any], client: Client, headers: Mapping[str, str]) -> None:
        ask(client, asked, headers)
