"""The holds of orders, of money and of GPUs: how they are named, and how holds of GPUs shrink.

Intake takes the holds, clearing changes and ends them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from compute_market.offers.models import GpuHold
from foundation.database import bulk_sql


class HoldSize(NamedTuple):
    """The columns of a hold that gets another size."""

    pk: int
    gpus: int


def cause_of(*, account_id: int, client_order_id: str) -> str:
    """The cause under which an order's holds, of money or of GPUs, are recorded."""
    return f"order/{account_id}/{client_order_id}"


def shrink(*, sizes: Sequence[tuple[str, int]]) -> None:
    """Set the GPUs of open holds, given as (cause, GPUs): after an amendment was decided."""
    if not sizes:
        return
    pks = dict(GpuHold.objects.open().filter(cause__in=[c for c, _ in sizes]).values_list("cause", "pk"))
    bulk_sql.update_rows(GpuHold, [HoldSize(pks[cause], gpus) for cause, gpus in sizes if cause in pks])
