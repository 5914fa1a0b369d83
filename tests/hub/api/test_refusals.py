"""One table of statuses for every door, and no door that waits for a refusal that nobody makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import get_resolver

from bazaar import pages
from compute_market.api import problems
from foundation import errors, statuses
from hub.api.csghub import errors as csghub
from hub.api.git import errors as git
from hub.api.hf import errors as hf
from hub.api.modelscope import errors as modelscope
from hub.api.native import errors as native
from hub.api.xet import errors as xet
from hub.blobstore.store import StorageFull

Render = Callable[[errors.Refusal, HttpRequest], HttpResponse]


def page_render(refusal: errors.Refusal, request: HttpRequest) -> HttpResponse:
    return pages.page_of(request, refusal)


def native_render(refusal: errors.Refusal, _request: HttpRequest) -> HttpResponse:
    answer = native.handle(refusal, {})
    assert answer is not None
    return answer


def market_render(refusal: errors.Refusal, _request: HttpRequest) -> HttpResponse:
    answer = problems.handle(refusal, {})
    assert answer is not None
    return answer


RENDERS: list[Render] = [
    page_render,
    market_render,
    native_render,
    csghub.render,
    git.render_json,
    git.render_text,
    hf.render,
    modelscope.render_legacy,
    modelscope.render_open,
    xet.render,
]
TABLES: list[Mapping[str, object]] = [
    git.STATUSES,
    git.X_ERROR_CODES,
    hf.STATUSES,
    hf.WIRE_CODES,
    modelscope.CODES,
    modelscope.STATUSES,
    xet.STATUSES,
]


def kinds_of(base: type[errors.Refusal]) -> Iterator[type[errors.Refusal]]:
    yield base
    for kind in base.__subclasses__():
        yield from kinds_of(kind)


class TestTables:
    @pytest.mark.parametrize("table", TABLES)
    def test_name_refusals_that_exist(self, table: Mapping[str, object]) -> None:
        # The addresses import every door, and the doors every room.
        assert get_resolver().url_patterns
        codes = {kind.code for kind in kinds_of(errors.Refusal)}
        assert table.keys() <= codes


class TestStatuses:
    @pytest.mark.parametrize("kind", statuses.KINDS)
    @pytest.mark.parametrize("render", RENDERS)
    def test_are_those_of_the_one_table(self, render: Render, kind: type[errors.Refusal]) -> None:
        status = render(kind(reason="", feature=""), RequestFactory().get("/")).status_code
        # The Xet client sends everything again after other statuses.
        is_final = render is xet.render and issubclass(kind, errors.Exhausted)
        assert status == (403 if is_final else statuses.KINDS[kind])

    @pytest.mark.parametrize("render", RENDERS)
    def test_of_a_full_disk_is_the_same_at_every_door(self, render: Render) -> None:
        assert render(StorageFull(), RequestFactory().get("/")).status_code == 507


@pytest.mark.django_db
class TestDispatch:
    @pytest.mark.parametrize(
        ("path", "allowed"),
        [
            ("/api/whoami-v2", "GET, HEAD"),
            ("/modelscope/api/v1/login", "POST"),
            ("/api/v1/models", "POST"),
            ("/someone/model/git-upload-pack", "POST"),
        ],
    )
    def test_says_which_methods_there_are(self, client: Client, path: str, allowed: str) -> None:
        answer = client.patch(path)
        assert (answer.status_code, answer["Allow"]) == (405, allowed)

    @pytest.mark.parametrize("path", ["/api/models", "/modelscope/openapi/v1/models", "/api/v1/sandboxes"])
    def test_refuses_a_nul_in_the_query(self, client: Client, path: str) -> None:
        answer = client.get(f"{path}?search=a%00b")
        assert answer.status_code == 400
        assert "control character" in answer.content.decode()
