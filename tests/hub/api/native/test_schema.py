"""No route of this door fails with 500 on input that the schema allows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
import schemathesis
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given, settings

from hub.accounts.models import Role
from tests.factories import hub as make

pytestmark = pytest.mark.django_db


def operations() -> list[Any]:
    """Every method of every route, as the schema describes it; a value with a slash cannot be made up."""
    described = json.loads(json.dumps(SchemaGenerator().get_schema(public=True), default=str))  # type: ignore[no-untyped-call]
    loaded = schemathesis.openapi.from_dict(described).include(path_regex="^/api/hub/v1/")
    loaded = loaded.exclude(path_regex="{repo_id}")
    every: Iterable[Any] = loaded.get_all_operations()
    return [found.ok() for found in every]


class TestEveryRoute:
    @pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.label)
    def test_answers_whatever_its_schema_allows_without_a_crash(self, operation: Any) -> None:
        user = make.user("ada")
        make.organization("acme", {user: Role.ADMIN})
        make.repository(user, "thing")
        client = Client(headers=make.bearer(user))

        @settings(
            max_examples=6,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def call(case: Any) -> None:
            sent = case.as_transport_kwargs(base_url="http://testserver")
            path = sent["url"].removeprefix("http://testserver")
            body = json.dumps(sent["json"]) if sent.get("json") is not None else ""
            answer = client.generic(
                case.method, path, body, content_type="application/json", query_params=sent.get("params")
            )
            assert answer.status_code < 500

        call()

    def test_is_in_the_schema(self) -> None:
        assert len(operations()) >= 25
