import uuid
from pathlib import Path
from typing import Any

import pytest
from django.test import RequestFactory

from foundation import rate_limits
from foundation.rate_limits import Limit


@pytest.fixture
def purpose() -> str:
    return f"test-{uuid.uuid4().hex}"


class TestLimit:
    def test_lets_the_amount_through_and_then_says_how_long_to_wait(self, purpose: str) -> None:
        limit = Limit(purpose, 3, 60)
        assert [limit.take("ada") for _ in range(3)] == [0, 0, 0]
        assert 0 < limit.take("ada") <= 60
        assert limit.take("eve") == 0

    def test_looks_without_counting(self, purpose: str) -> None:
        limit = Limit(purpose, 1, 60)
        assert [limit.seconds_to_wait("ada") for _ in range(3)] == [0, 0, 0]
        limit.take("ada")
        assert limit.seconds_to_wait("ada") > 0

    def test_counts_a_call_by_its_cost(self, purpose: str) -> None:
        limit = Limit(purpose, 10, 60)
        assert limit.take("ada", cost=10) == 0
        assert limit.take("ada") > 0

    def test_forgets(self, purpose: str) -> None:
        limit = Limit(purpose, 1, 60)
        limit.take("ada")
        limit.forget("ada")
        assert limit.take("ada") == 0

    def test_of_zero_limits_nobody(self, purpose: str) -> None:
        assert [Limit(purpose, 0, 60).take("ada") for _ in range(5)] == [0] * 5


@pytest.fixture
def _redis_away(settings: Any, tmp_path: Path) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/none.sock"


@pytest.mark.usefixtures("_redis_away")
def test_a_redis_that_is_away_limits_nobody(purpose: str) -> None:
    limit = Limit(purpose, 1, 60)
    assert [limit.take("ada"), limit.take("ada"), limit.seconds_to_wait("ada")] == [0, 0, 0]


class TestLimitedAddress:
    def test_leaves_programs_on_this_machine_alone_by_default(self, settings: Any) -> None:
        request = RequestFactory().get("/")
        assert rate_limits.limited_address(request) is None
        settings.RATE_LIMIT_LOOPBACK = True
        assert rate_limits.limited_address(request) == "127.0.0.1"

    def test_counts_others_by_their_network(self) -> None:
        request = RequestFactory().get("/", REMOTE_ADDR="2001:db8::1")
        assert rate_limits.limited_address(request) == "2001:db8::/64"
