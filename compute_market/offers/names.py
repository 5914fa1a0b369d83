"""Names of products as people read them; programs use the slug."""

from __future__ import annotations

import re

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

from compute_market.offers.models import Product

INTERCONNECTS = {"ib": "InfiniBand", "eth": "Ethernet", "rdma": "RDMA", "roce": "RoCE"}
FORMS = {"x86": "x86", "arm": "Arm"}
TIERS: dict[str, str | Promise] = {
    "reserved": pgettext_lazy("tier", "reserved"),
    "spot": pgettext_lazy("tier", "spot"),
}
USUAL_TIER = "reserved"
SEPARATOR = " · "


def tier_of(word: str) -> str:
    """The tier of a product, in the reader's language."""
    return str(TIERS.get(word, word))


def machine_of(product: Product) -> str:
    """The hardware: H100 SXM 80 GB, RTX 4090 PCIE 24 GB, CPU 4 x86 16 GB."""
    gpu = re.sub(r"^(RTX|CPU|GAUDI)(?=\d)", r"\1 ", product.gpu.upper())
    form = FORMS.get(product.form, product.form.upper())
    return f"{gpu} {form} {product.memory_gb} GB"


def name_of(product: Product) -> str:
    """The whole name: H100 SXM 80 GB · InfiniBand · cn-east; a tier that is not the usual one follows."""
    parts = [
        machine_of(product),
        INTERCONNECTS.get(product.interconnect, product.interconnect),
        product.region,
    ]
    if product.tier != USUAL_TIER:
        parts.append(tier_of(product.tier))
    return SEPARATOR.join(parts)
