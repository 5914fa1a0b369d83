"""Amounts of money as people read them."""

from __future__ import annotations

import pytest
from django.utils import translation

from bazaar.templatetags.bazaar import credits as plain
from bazaar.templatetags.bazaar import money
from compute_market.amounts import rounded


class TestRounded:
    @pytest.mark.parametrize(
        ("micros", "text"),
        [
            (0, "0.00"),
            (1_250_000, "1.25"),
            (1_254_999, "1.25"),
            (1_255_000, "1.26"),
            (18_227_112_904, "18,227.11"),
            (4_999, "<0.01"),
            (5_000, "0.01"),
            (-1_250_000, "-1.25"),
            (-60, ">-0.01"),
            (999_995_000, "1,000.00"),
        ],
    )
    def test_has_two_decimals_and_never_shows_nothing_for_something(self, micros: int, text: str) -> None:
        assert rounded(micros) == text

    def test_is_at_most_half_a_cent_from_the_exact_amount(self) -> None:
        for micros in (*range(5_000, 2_000_000, 7_919), 10**15 + 4_999):
            cents = int(rounded(micros).replace(",", "").replace(".", ""))
            assert abs(cents * 10_000 - micros) <= 5_000


class TestMoney:
    def test_has_the_unit_and_the_exact_amount_in_the_tooltip(self) -> None:
        assert money(18_227_112_904) == (
            '<data value="18227.112904" title="18,227.112904 credits">18,227.11 credits</data>'
        )
        with translation.override("zh-hans"):
            assert "18,227.11 点数</data>" in money(18_227_112_904)

    def test_leaves_the_unit_to_the_heading_of_a_column(self) -> None:
        assert money(1_250_000, "number").endswith(">1.25</data>")

    def test_of_nothing_known_is_empty(self) -> None:
        assert (money(None), plain(None)) == ("", "")

    def test_is_escaped(self) -> None:
        assert "&lt;0.01" in money(60)
