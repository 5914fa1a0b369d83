"""Every text that a caller can store has a bound: one row a column, and none may be forgotten.

A row says how a caller stores a text in the column. A short one must arrive there; of one that is a little
too long, and of one of a megabyte, no more than the bound may be kept, whether it is refused or cut.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import models, transaction
from django.test import Client
from pytest_django import DjangoDbBlocker

from compute_market.leases import jobs
from compute_market.leases import services as leasing
from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.community.models import Collection, Discussion
from hub.repos import services as repos
from tests import clock
from tests.factories import hub as make
from tests.factories import market
from tests.factories.market import NOON
from tests.security.asking import outermost
from tests.security.stored_texts import OTHER_COLUMNS, STORED, World

HOUSES = ("hub", "compute_market", "bazaar")
TEXTS = (models.CharField, models.TextField, models.JSONField, models.BinaryField)
MEGABYTE = 1_000_000


def build() -> World:
    user = make.user("ada")
    actor = Principal(user=user)
    model = make.repository(user, "model", files={"a.txt": b"a"})
    gated = make.repository(make.user("olga"), "gated")
    owner = Principal(user=User.objects.get(namespace__name="olga"))
    repos.change_settings(actor=owner, repository=gated, change=repos.Settings(gating="manual"))
    headers = make.bearer(user, "write", "trade")
    client = Client()
    path = f"/api/models/{model.full_name}/discussions"
    client.post(
        path, {"title": "A title", "description": "x"}, content_type="application/json", headers=headers
    )
    client.post(
        "/api/collections",
        {"title": "Some", "namespace": "ada"},
        content_type="application/json",
        headers=headers,
    )
    holder = market.trader(funds=1_000_000)
    node = market.node(actor)
    market.fund(market.namespace_of(actor), 1_000_000)
    lease = market.lease(node, holder=holder)
    jobs.advance(now=NOON)
    lease.refresh_from_db()
    assert lease.token is not None
    leasing.take_up(node=node, lease_id=lease.pk, token=lease.token, now=NOON)
    return World(
        user=user,
        headers=headers,
        model=model,
        gated=gated,
        thread=Discussion.objects.get(repository=model),
        collection=Collection.objects.get(title="Some"),
        node=node,
        lease=lease,
        holder=holder,
        client=client,
    )


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with django_db_blocker.unblock(), outermost():
        with clock.before_the_tests():
            built = build()
        yield built
        transaction.set_rollback(True)


def columns() -> dict[str, models.Field[Any, Any]]:
    """Every column of ours that holds a text or bytes of any length; a column of choices is none."""
    return {
        f"{model._meta.label}.{field.name}": field
        for model in apps.get_models(include_auto_created=True)
        if model.__module__.split(".")[0] in HOUSES
        for field in model._meta.concrete_fields
        if isinstance(field, TEXTS) and not field.choices
    }


def held(name: str) -> list[str]:
    """The values of a column, as texts."""
    label, _, field = name.rpartition(".")
    values = apps.get_model(label)._base_manager.values_list(field, flat=True)
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


class TestEveryColumn:
    def test_has_a_row_or_a_reason(self) -> None:
        explained = [name for names in OTHER_COLUMNS.values() for name in names.split()]
        assert len(explained) == len(set(explained))
        assert not set(explained) & STORED.keys()
        missing = columns().keys() - STORED.keys() - set(explained)
        assert not missing, (
            f"Say in stored_texts.py how a caller stores {sorted(missing)}, or why nobody can."
        )
        assert not (STORED.keys() | set(explained)) - columns().keys()


@pytest.mark.django_db
class TestEveryText:
    @pytest.mark.parametrize("name", STORED)
    def test_is_stored_up_to_its_bound(self, world: World, name: str) -> None:
        row = STORED[name]
        for chars in (0, row.chars_max + 1, 3 * row.chars_max, MEGABYTE):
            text = row.of(chars)
            with outermost():
                before = held(name)
                row.store(world, text)
                after = held(name)
                transaction.set_rollback(True)
            if not chars:
                assert any(text in value for value in after), "the short text does not arrive: mend the row"
                assert after != before
            longest = max(map(len, after), default=0)
            assert longest <= row.chars_max, f"{longest} characters of {chars} are stored"


@pytest.mark.django_db
class TestMessages:
    """They are stored in git, and lists of commits show them."""

    @pytest.mark.parametrize("chars", [300_000, 5 * MEGABYTE])
    def test_of_commits_and_tags_are_bounded(self, world: World, chars: int) -> None:
        text = "x" * chars
        calls: list[tuple[str, dict[str, Any]]] = [
            ("/api/models/ada/model/super-squash/main", {"message": text}),
            ("/api/models/ada/model/tag/main", {"tag": "v1", "message": text}),
            ("/modelscope/api/v1/repos/models/ada/model/commit/main", modelscope_commit(text)),
            ("/api/v1/models/ada/model/commit/main", csghub_commit(text)),
        ]
        for path, body in calls:
            with outermost():
                assert world.send("POST", path, body).status_code == 400, path
                transaction.set_rollback(True)

    def test_may_be_long(self, world: World) -> None:
        body = {"tag": "long", "message": "x" * 200_000}
        assert world.send("POST", "/api/models/ada/model/tag/main", body).status_code == 200


def modelscope_commit(message: str) -> dict[str, Any]:
    action = {"action": "create", "path": "m", "content": "eA==", "encoding": "base64", "type": "normal"}
    return {"commit_message": message, "actions": [action]}


def csghub_commit(message: str) -> dict[str, Any]:
    return {"message": message, "files": [{"action": "create", "path": "c", "content": "eA=="}]}
