"""The step that lists the catalogue: every accelerator, in every region, on every tier."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from compute_market.offers.catalogue import ACCELERATORS, Accelerator
from compute_market.offers.models import Product, Shard
from compute_market.offers.signals import product_changed

# The price of a tier in percent of the reference price, and how many days ahead its windows may end.
TIERS = {"reserved": (100, 90), "spot": (55, 7)}
TICK_MICROS = 60_000


def list_catalogue(
    *,
    regions: Sequence[str],
    tiers: Sequence[str],
    shards: int,
    now: datetime,
    only: Collection[str] | None = None,
) -> tuple[int, int]:
    """List the products that are not listed yet; gives (new, known before). Changes by operators stay.

    `only`: slugs of accelerators (as `h100-sxm-80g`) to which the list is narrowed.

    A kind of GPU stays in one shard, so that its regions and tiers are matched by one worker.
    """
    for number in range(1, shards + 1):
        Shard.objects.get_or_create(number=number)
    known = set(Product.objects.values_list("slug", flat=True))
    new = []
    for index, accelerator in enumerate(ACCELERATORS):
        if only is not None and accelerator.slug not in only:
            continue
        for region in regions:
            for tier in tiers:
                product = _product(accelerator, region=region, tier=tier, shard=index % shards + 1)
                if product.slug not in known:
                    new.append(product)
    for product in new:
        product.save()
        product_changed.send(sender=Product, product_id=product.pk, shard=product.shard_id, now=now)
    return len(new), len(known)


def _product(accelerator: Accelerator, *, region: str, tier: str, shard: int) -> Product:
    percent, days = TIERS.get(tier, (100, 90))
    price = accelerator.price_micros * percent // 100 // TICK_MICROS * TICK_MICROS
    return Product(
        shard_id=shard,
        slug=f"{accelerator.slug}.{region}.{tier}.{accelerator.interconnect}",
        vendor=accelerator.vendor,
        gpu=accelerator.gpu,
        form=accelerator.form,
        memory_gb=accelerator.memory_gb,
        region=region,
        tier=tier,
        interconnect=accelerator.interconnect,
        lot=accelerator.lot,
        tick_micros=TICK_MICROS,
        reference_price_micros=max(price, TICK_MICROS),
        horizon_days=days,
        fragments=[list(group) for group in accelerator.fragments],
    )
