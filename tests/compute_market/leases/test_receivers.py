from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import pytest
from celery.signals import before_task_publish

from compute_market.leases import tasks
from compute_market.leases.models import Lease
from compute_market.leases.signals import leases_opened
from compute_market.offers.models import Node
from compute_market.offers.signals import node_retired
from tests.factories.market import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent() -> Iterator[list[str]]:
    """The names of the tasks that were sent."""
    names: list[str] = []

    def listen(sender: str, **_: object) -> None:
        names.append(sender)

    before_task_publish.connect(listen)
    yield names
    before_task_publish.disconnect(listen)


class TestStartWhatBeginsNow:
    @pytest.mark.parametrize(
        ("starts_at", "count"),
        [(NOON, 1), (NOON - timedelta(minutes=1), 1), (NOON + timedelta(minutes=1), 0)],
    )
    def test_rings_only_for_leases_whose_time_has_come(
        self,
        sent: list[str],
        starts_at: datetime,
        count: int,
        django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[Any]],
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            leases_opened.send(sender=Lease, lease_ids=[1], starts_at=starts_at, now=NOON)
        assert sent == [tasks.advance_leases.name] * count


class TestEndWhatARetiredNodePromised:
    def test_rings_for_the_sweep_once_the_node_is_retired(
        self,
        sent: list[str],
        django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[Any]],
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            node_retired.send(sender=Node, node_id=1, shard=1, now=NOON)
            assert sent == []
        assert sent == [tasks.advance_leases.name]
