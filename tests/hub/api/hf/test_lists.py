from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db.models.sql.compiler import SQLCompiler
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.factories import hub
from tests.hub.search.catalogue import add

pytestmark = pytest.mark.django_db


def rows(client: Client, url: str, status: int = 200, **headers: str) -> Any:
    response = client.get(url, headers=headers)
    assert response.status_code == status, response.content
    return response.json()


@contextmanager
def composed_statements() -> Iterator[list[str]]:
    """The statements that Django composes in the block."""
    composed: list[str] = []
    plain = SQLCompiler.as_sql

    def as_sql(self: Any, *args: Any, **kwargs: Any) -> Any:
        composed.append(str(self.query.model))
        return plain(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SQLCompiler, "as_sql", as_sql)
        yield composed


def ids(client: Client, url: str, **headers: str) -> list[str]:
    return [row["id"] for row in rows(client, url, **headers)]


@pytest.fixture
def catalogue() -> None:
    add("Qwen/Qwen-72B", tags=["zh", "license:other"], task="text-generation", likes=9, downloads_30d=5)
    add(
        "Qwen/Qwen-7B",
        tags=["zh"],
        task="text-generation",
        likes=3,
        downloads_30d=50,
        parameters=7_700_000_000,
    )
    add("lab/bert", tags=["en"], task="fill-mask", gating="auto")
    add("lab/data", kind="dataset", tags=["language:zh"])
    add("lab/demo", kind="space", tags=["model:Qwen/Qwen-72B"])


class TestLists:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("search=qwen", ["Qwen/Qwen-7B", "Qwen/Qwen-72B"]),
            ("search=QWEN&search=72", ["Qwen/Qwen-72B"]),
            ("author=qwen&sort=likes&direction=-1", ["Qwen/Qwen-72B", "Qwen/Qwen-7B"]),
            ("filter=zh&filter=license:other", ["Qwen/Qwen-72B"]),
            ("pipeline_tag=fill-mask", ["lab/bert"]),
            ("gated=True", ["lab/bert"]),
            ("num_parameters=min:6B,max:8B", ["Qwen/Qwen-7B"]),
            ("sort=downloads&limit=1", ["Qwen/Qwen-7B"]),
            ("sort=last_modified&filter=zh", ["Qwen/Qwen-7B", "Qwen/Qwen-72B"]),
            ("language=zh&license=other", ["Qwen/Qwen-72B"]),
        ],
    )
    def test_take_every_filter(self, client: Client, catalogue: None, query: str, found: list[str]) -> None:
        assert ids(client, f"/api/models?{query}") == found

    @pytest.mark.parametrize(
        "query",
        ["", "sort=likes", "sort=downloads", "sort=createdAt", "sort=lastModified", "limit=2&full=true"],
    )
    def test_give_everybody_the_same_first_page(self, client: Client, catalogue: None, query: str) -> None:
        """The page without a filter is prepared for callers without credentials, and composed for others."""
        add("lab/hidden", visibility="private")
        url = f"/api/models?{query}"
        token = f"Bearer {hub.token(hub.user('reader'))}"
        assert rows(client, url) == rows(client, url, Authorization=token)
        assert "lab/hidden" not in ids(client, url)

    def test_take_two_queries_for_a_first_page(
        self, client: Client, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for number in range(30):
            add(f"lab/model-{number}", tags=["zh"])
        url = "/api/models?limit=20"
        first = rows(client, url)
        with django_assert_num_queries(2), composed_statements() as composed:
            assert rows(client, url) == first
        assert composed == []

    def test_keep_the_kinds_apart(self, client: Client, catalogue: None) -> None:
        assert ids(client, "/api/datasets?filter=language:zh") == ["lab/data"]
        assert ids(client, "/api/spaces?models=Qwen/Qwen-72B") == ["lab/demo"]
        assert ids(client, "/hf/api/datasets") == ["lab/data"]

    def test_lead_from_page_to_page_by_absolute_links(self, client: Client, catalogue: None) -> None:
        url, found = "/api/models?limit=1&filter=zh&sort=likes", []
        for _ in range(3):
            response = client.get(url)
            found += [row["id"] for row in response.json()]
            link = re.fullmatch(r'<http://testserver(/.*)>; rel="next"', response.get("Link", ""))
            if link is None:
                break
            url = link[1]
        assert found == ["Qwen/Qwen-72B", "Qwen/Qwen-7B"]
        assert "Link" not in response

    def test_show_what_is_asked_for(self, client: Client, catalogue: None) -> None:
        (brief,) = rows(client, "/api/models?search=72b")
        assert brief["pipeline_tag"] == "text-generation"
        assert {"tags", "likes", "downloads", "private", "createdAt"} <= set(brief)
        assert "siblings" not in brief
        (full,) = rows(client, "/api/models?search=72b&full=True&cardData=true&config=true")
        assert {"siblings", "sha", "lastModified", "author"} <= set(full)
        (expanded,) = rows(client, "/api/models?search=72b&expand=downloads&expand[]=childrenModelCount")
        assert set(expanded) == {"_id", "id", "modelId", "downloads", "childrenModelCount"}

    @pytest.mark.parametrize(
        "query", ["expand=wishes", "sort=beauty", "cursor=zzz", "limit=many", "num_parameters=huge"]
    )
    def test_refuse_in_json(self, client: Client, query: str) -> None:
        assert "error" in rows(client, f"/api/models?{query}", status=400)

    def test_show_private_repositories_to_their_readers_only(self, client: Client) -> None:
        ada = hub.user("ada")
        hub.repository(ada, "secret", visibility="private")
        assert ids(client, "/api/models?author=ada") == []
        assert ids(client, "/api/models?author=ada", **hub.bearer(ada)) == ["ada/secret"]


class TestTagsByType:
    def test_list_the_tags_with_what_they_speak_of(self, client: Client, catalogue: None) -> None:
        body = rows(client, "/api/models-tags-by-type")
        assert {"id": "fill-mask", "label": "fill-mask", "type": "pipeline_tag", "count": 1} in body[
            "pipeline_tag"
        ]
        assert "other" in rows(client, "/api/datasets-tags-by-type")


class TestInference:
    """No provider runs models here."""

    @pytest.mark.parametrize(
        "query",
        ["inference_provider=all", "inference_provider=together&inference_provider=nebius", "inference=warm"],
    )
    def test_no_model_is_run_by_a_provider(self, client: Client, query: str) -> None:
        add("Qwen/Qwen-72B")
        assert rows(client, f"/api/models?{query}") == []
        assert len(rows(client, "/api/models?inference_provider=")) == 1

    def test_the_mapping_is_empty(self, client: Client) -> None:
        add("Qwen/Qwen-72B")
        one = rows(client, "/api/models/Qwen/Qwen-72B?expand=inferenceProviderMapping")
        assert one["inferenceProviderMapping"] == {}
        [listed] = rows(client, "/api/models?expand=inferenceProviderMapping")
        assert listed["inferenceProviderMapping"] == {}


class TestExpand:
    def test_tells_the_family_of_a_model(self, client: Client) -> None:
        add("Qwen/Qwen-72B")
        add("X-D-Lab/MindChat", tags=["base_model:Qwen/Qwen-72B", "base_model:finetune:Qwen/Qwen-72B"])
        parent = rows(client, "/api/models/Qwen/Qwen-72B?expand=childrenModelCount")
        assert parent["childrenModelCount"] == {"finetune": 1}
        child = rows(client, "/api/models/X-D-Lab/MindChat?expand=baseModels")
        assert child["baseModels"] == {"relation": "finetune", "models": [{"id": "Qwen/Qwen-72B"}]}
