"""The market's products in OpenCSG's terms. The hub itself does not know the market."""

from __future__ import annotations

from typing import Any

import orjson

from compute_market.offers import selectors
from compute_market.offers.models import Product


def for_rent() -> list[dict[str, Any]]:
    """The products that can be traded now, as rows of `space_resources`."""
    return [_row(product) for product in selectors.products().filter(state=Product.State.OPEN)]


def _row(product: Product) -> dict[str, Any]:
    # CSGHub keeps the hardware as JSON text inside the row.
    hardware = {
        "gpu": {"type": product.gpu, "num": str(product.lot), "memory": f"{product.memory_gb}GB"},
        "region": product.region,
    }
    return {
        "id": product.pk,
        "name": product.slug,
        "type": "gpu",
        "is_available": True,
        "resources": orjson.dumps(hardware).decode(),
    }
