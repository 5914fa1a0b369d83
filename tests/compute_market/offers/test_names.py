"""Names of products as people read them."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import translation

from compute_market.offers.catalogue import ACCELERATORS
from compute_market.offers.models import Product
from compute_market.offers.names import name_of


def product(**fields: Any) -> Product:
    known: dict[str, Any] = {"gpu": "h100", "form": "sxm", "memory_gb": 80, "interconnect": "ib"}
    return Product(**{**known, "region": "cn-east", "tier": "reserved", **fields})


class TestNameOf:
    @pytest.mark.parametrize(
        ("fields", "name"),
        [
            ({}, "H100 SXM 80 GB · InfiniBand · cn-east"),
            ({"tier": "spot"}, "H100 SXM 80 GB · InfiniBand · cn-east · spot"),
            ({"gpu": "rtx4090", "interconnect": "eth"}, "RTX 4090 SXM 80 GB · Ethernet · cn-east"),
            ({"gpu": "cpu4", "form": "x86", "memory_gb": 16}, "CPU 4 x86 16 GB · InfiniBand · cn-east"),
        ],
    )
    def test_has_hardware_network_and_region(self, fields: dict[str, Any], name: str) -> None:
        assert name_of(product(**fields)) == name

    def test_says_the_tier_in_the_language_of_the_reader(self) -> None:
        with translation.override("zh-hans"):
            assert name_of(product(tier="spot")).endswith(" · 竞价")

    def test_tells_all_products_of_the_catalogue_apart(self) -> None:
        names = [
            name_of(product(gpu=a.gpu, form=a.form, memory_gb=a.memory_gb, interconnect=a.interconnect))
            for a in ACCELERATORS
        ]
        assert len(set(names)) == len(names)
