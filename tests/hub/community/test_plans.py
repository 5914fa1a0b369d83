"""PostgreSQL finds the calls of webhooks that are due by an index."""

from __future__ import annotations

import pytest

from hub.community import jobs
from tests import plans
from tests.factories.hub import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_calls_that_are_due_are_found_by_their_time() -> None:
    with plans.indexes_only():
        [statement] = plans.statements_of(lambda: jobs.is_delivery_due(now=NOW))
        found = plans.plan_of(plans.unordered(statement))
    [read] = [node for node in found if node.table == "community_delivery"]
    assert (read.kind.partition(" ")[0], read.index) == ("index", "delivery_due")
    assert "due_at" in read.begins
