"""Calls of programs are limited by user and address, at every door."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver
from pytest_django import Settings

from bazaar import docs
from compute_market.api import base as market
from hub.accounts.principals import Principal
from hub.api import rates
from hub.repos.models import Repository
from hub.xet import tokens
from tests.addresses import is_for_programs, routes
from tests.clock import moment
from tests.factories import hub as make

pytestmark = pytest.mark.django_db
HASH = "a" * 64
# Addresses that are not counted, and why.
NOT_COUNTED = {
    r"/api/schema": "a text that is kept",
    r"/api/market/v1/": "no call, and no work",
    r"(/(hf|csg|ms))?/lfs/objects/.*": "signed; the batch call that gave it out was counted",
    r"/modelscope/api/v1/blobs/.*": "the same",
    r"/xet/.*": "counted by the token's user; without a token there is nothing",
    r"/api/market/v1/agent/.*": "signed by an agent; a thousand of them may have one address",
}


@pytest.fixture(autouse=True)
def _limits(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    # No window ends during a test, however busy the machine is.
    monkeypatch.setattr(rates, "WINDOW_S", 24 * 3600)
    monkeypatch.setattr(market, "RATE_WINDOW_SECONDS", 24 * 3600)
    settings.RATE_ANONYMOUS = settings.MARKET_RATE_ANONYMOUS = settings.RATE_USER = 1
    settings.REDIS_PREFIX += uuid.uuid4().hex  # users of other tests had the same number


@pytest.fixture
def stranger() -> dict[str, Any]:
    return {"REMOTE_ADDR": f"2001:db8:{uuid.uuid4().hex[:4]}:{uuid.uuid4().hex[:4]}::1"}


def counted() -> Iterator[str]:
    for address, module in routes(get_resolver().url_patterns):
        if is_for_programs(address, module) and not any(re.fullmatch(text, address) for text in NOT_COUNTED):
            yield address


def test_every_door_for_programs_counts_its_calls(stranger: dict[str, Any]) -> None:
    client = Client()
    for address in ("/api/models", "/api/market/v1/products"):
        assert client.get(address, **stranger).status_code == 200
    addresses = list(counted())
    answers = {address: client.get(address, **stranger) for address in addresses}
    assert {
        address: answer.status_code for address, answer in answers.items() if answer.status_code != 429
    } == {}
    assert [address for address, answer in answers.items() if "Retry-After" not in answer] == []
    assert len(addresses) > 150


def test_calls_by_a_xet_token_count_for_its_user(client: Client, stranger: dict[str, Any]) -> None:
    ada = make.user("ada")
    repository: Repository = make.repository(Principal(user=ada), "weights")
    token = tokens.issue_read_token(actor=Principal(user=ada), repository=repository, now=moment())
    headers = {"Authorization": f"Bearer {token.text}"}
    addresses = [
        f"/xet/v1/reconstructions/{HASH}",
        f"/xet/v2/reconstructions/{HASH}",
        f"/xet/v1/chunks/default-merkledb/{HASH}",
        f"/xet/reconstructions/{HASH}",
    ]
    assert client.get(addresses[0], headers=headers, **stranger).status_code == 404
    for address in addresses:
        refused = client.get(address, headers=headers, **stranger)
        assert (refused.status_code, "Retry-After" in refused) == (429, True), address


class TestSchema:
    def test_is_written_once_for_each_form_and_language(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        docs._text.cache_clear()
        written: list[object] = []
        generator = docs.Schema.generator_class

        class Counting(generator):  # type: ignore[misc, valid-type]
            def get_schema(self, *args: Any, **kwargs: Any) -> Any:
                written.append(1)
                return {"openapi": "3.0.3"}

        monkeypatch.setattr(docs.Schema, "generator_class", Counting)
        try:
            for _ in range(2):
                for query in ("", "?lang=xx", "?version=7", "?a=b", "?format=json", "?lang=zh-hans"):
                    assert client.get(f"/api/schema{query}").status_code == 200
            assert len(written) == 3
        finally:
            docs._text.cache_clear()
