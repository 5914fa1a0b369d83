from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from compute_market import quantities


class TestMinutes:
    def test_count_from_the_epoch(self) -> None:
        assert quantities.to_minutes(datetime(1970, 1, 1, 1, 0, 59, tzinfo=UTC)) == 60
        assert quantities.from_minutes(60) == datetime(1970, 1, 1, 1, tzinfo=UTC)

    def test_are_the_one_that_a_moment_is_in_also_by_the_millisecond(self) -> None:
        moment = datetime(1970, 1, 1, 0, 0, 1, 234_999, tzinfo=UTC)
        assert quantities.to_milliseconds(moment) == 1_234
        assert quantities.to_minutes(moment) == 0


class TestAveragePrice:
    def test_is_by_the_hour_and_rounded_down(self) -> None:
        assert quantities.average_price_micros(notional_micros=900_000, gpu_minutes=90) == 600_000
        assert quantities.average_price_micros(notional_micros=1, gpu_minutes=7) == 8  # 60 / 7


class TestShare:
    def test_is_a_ten_thousandth_a_point_rounded_down(self) -> None:
        assert quantities.share_micros(amount_micros=10_000, bps=1) == 1
        assert quantities.share_micros(amount_micros=9_999, bps=1) == 0
        assert quantities.share_micros(amount_micros=1_000_000, bps=25) == 2_500

    def test_of_a_negative_amount_is_rounded_away_from_zero(self) -> None:
        assert quantities.share_micros(amount_micros=-9_999, bps=1) == -1


class TestHold:
    def test_is_the_price_of_all_minutes_and_their_fee(self) -> None:
        held = quantities.hold_micros(gpu_minutes=90, price_micros_per_gpu_hour=600_000, fee_bps=10)
        assert held == 900_000 + 900

    @given(
        st.integers(1, 10**6).map(lambda price: price * 60),
        st.lists(st.integers(1, 10**5), min_size=1, max_size=8),
        st.integers(0, 500),
    )
    def test_covers_every_way_to_fill_an_order(self, price: int, fills: list[int], bps: int) -> None:
        hold = quantities.hold_micros(gpu_minutes=sum(fills), price_micros_per_gpu_hour=price, fee_bps=bps)
        paid = 0
        for gpu_minutes in fills:
            cost = quantities.notional_micros(gpu_minutes=gpu_minutes, price_micros_per_gpu_hour=price)
            paid += cost + quantities.share_micros(amount_micros=cost, bps=bps)
        assert paid <= hold
