"""After every test of the market, everything that must never happen has not happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from compute_market.leases import checks as lease_checks
from compute_market.ledger import checks as ledger_checks
from compute_market.matching.clearing import checks as matching_checks
from compute_market.matching.clearing import shard_engines
from compute_market.offers import checks as supply_checks

AUDITS: list[Callable[[], list[str]]] = [
    ledger_checks.audit,
    lease_checks.audit,
    matching_checks.audit,
    supply_checks.audit,
]


@pytest.fixture(autouse=True)
def _no_engine_in_memory() -> Iterator[None]:
    """Engines belong to the database of one test."""
    shard_engines.forget_all()
    yield
    shard_engines.forget_all()


@pytest.fixture(autouse=True)
def _the_books_are_right(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.node.get_closest_marker("django_db") is None:
        yield
        return
    request.getfixturevalue("_django_db_marker")
    yield
    if request.node.get_closest_marker("breaks_the_books") is None:
        assert [finding for audit in AUDITS for finding in audit()] == []
