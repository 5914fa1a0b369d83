"""Types of fields that several answers have, with their units and examples."""

from __future__ import annotations

from typing import Annotated

from compute_market.matching.models import Order
from foundation.answers import shown

PRODUCT = "h100-sxm-80g.cn-east.reserved.ib"
NOON, NEXT_NOON = "2026-07-01T12:00:00Z", "2026-07-02T12:00:00Z"
SIDE_WORDS = {side.value: side.name.lower() for side in Order.Side}

Micros = Annotated[int, shown(2_304_000_000, "Micro-credits.")]
Price = Annotated[int, shown(12_000_000, "Micro-credits per GPU-hour.")]
BasisPoints = Annotated[int, shown(10, "Hundredths of a percent.")]
GpuMinutes = Annotated[int, shown(2880, "GPU-minutes.")]
Gpus = Annotated[int, shown(8)]
Moment = Annotated[str, shown(NOON, "UTC.", form="date-time")]
End = Annotated[str, shown(NEXT_NOON, "UTC.", form="date-time")]
Product = Annotated[str, shown(PRODUCT, "The product's name in addresses.")]
Side = Annotated[str, shown("buy", words=list(SIDE_WORDS.values()))]
ClientOrderId = Annotated[str, shown("train-42", "The trader's own name for the order.")]
OrderId = Annotated[int, shown(42)]
LeaseId = Annotated[int, shown(17)]
Account = Annotated[str, shown("ada", "A namespace.")]
Reason = Annotated[str, shown("", "Why it is in this state, as a word; empty where there is nothing to say.")]
Provider = Annotated[str, shown("gpu-east", "The provider's namespace.")]
Hardware = Annotated[
    str,
    shown(
        "measured",
        "How the hardware is known; `none`: its node never reported any. Several words are joined by `, `.",
    ),
]
Cursor = Annotated[str, shown("YzQy", "Give it as `cursor` for the next page.")]
