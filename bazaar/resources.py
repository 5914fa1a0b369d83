"""The market's products in OpenCSG's terms. The hub itself does not know the market."""

from __future__ import annotations

import orjson

from compute_market.offers import selectors
from compute_market.offers.models import Product
from hub.api.csghub.answers import Resource


def for_rent() -> list[Resource]:
    """The products that can be traded now, as rows of `space_resources`."""
    return [_row(product) for product in selectors.products().filter(state=Product.State.OPEN)]


def _row(product: Product) -> Resource:
    # CSGHub keeps the hardware as JSON text inside the row.
    hardware = {
        "gpu": {"type": product.gpu, "num": str(product.lot), "memory": f"{product.memory_gb}GB"},
        "region": product.region,
    }
    return Resource(
        id=product.pk,
        name=product.slug,
        type="gpu",
        is_available=True,
        resources=orjson.dumps(hardware).decode(),
    )
