"""The texts of rows of leases, which audits and the operator's pages print."""

from __future__ import annotations

import pytest

from compute_market.leases.models import (
    Binding,
    JoinedFill,
    Lease,
    LeaseEvent,
    LeaseTraffic,
    LogChunk,
    UsageSample,
    Work,
)
from tests.factories.market import NOON


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (Lease(pk=3, state="active"), "lease 3 (active)"),
        (JoinedFill(lease_id=3, gpus=2), "2 GPUs of lease 3"),
        (LeaseEvent(lease_id=3, state="lost"), "lease 3: lost"),
        (Binding(lease_id=3, node_id=4, gpu=0), "GPU 0 of node 4 for lease 3"),
        (UsageSample(lease_id=3, minute=NOON), "lease 3 at 2026-03-02 12:00"),
        (Work(pk=5, lease_id=3, state="queued"), "work 5 of lease 3 (queued)"),
        (LeaseTraffic(lease_id=3), "traffic of lease 3"),
        (LogChunk(work_id=5, offset=10), "output of work 5 at 10"),
    ],
)
def test_rows_name_themselves(row: object, text: str) -> None:
    assert str(row) == text
