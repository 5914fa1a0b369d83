"""Each kind of refusal has one status, and each refusal of the houses is of such a kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.urls import get_resolver

from foundation import errors, statuses


def refusals(base: type[errors.Refusal] = errors.Refusal) -> Iterator[type[errors.Refusal]]:
    for refusal in base.__subclasses__():
        yield refusal
        yield from refusals(refusal)


class TestTable:
    def test_has_the_statuses_that_clients_know(self) -> None:
        assert {kind.code: status for kind, status in statuses.KINDS.items()} == {
            "invalid": 400,
            "unauthenticated": 401,
            "denied": 403,
            "quota_exceeded": 403,
            "not_found": 404,
            "conflict": 409,
            "insufficient": 422,
            "exhausted": 429,
            "unsupported": 501,
            "unavailable": 503,
            "out_of_space": 507,
        }

    def test_knows_the_kind_of_every_refusal(self) -> None:
        assert get_resolver().url_patterns  # the addresses import every door, and the doors every room
        strangers = [r for r in refusals() if not issubclass(r, tuple(statuses.KINDS))]
        assert [r.__qualname__ for r in strangers if not r.__module__.startswith("tests.")] == []

    @pytest.mark.parametrize(
        ("refusal", "status"),
        [
            ("insufficient_funds", 422),
            ("too_many_open_orders", 422),
            ("repository_quota_exceeded", 403),
            ("storage_quota_exceeded", 403),
            ("rate_limited", 429),
            ("collection_full", 429),
            ("interrupted", 503),
            ("storage_full", 507),
        ],
    )
    def test_gives_cases_the_status_of_their_kind(self, refusal: str, status: int) -> None:
        assert get_resolver().url_patterns
        (found,) = {r for r in refusals() if r.code == refusal and not r.__module__.startswith("tests.")}
        assert statuses.by_kind(found.__new__(found), statuses.KINDS) == status


class TestStatus:
    def test_of_a_subclass_is_that_of_its_nearest_kind(self) -> None:
        class Odd(errors.QuotaExceeded):
            code = "odd"

        assert statuses.status_of(Odd(reason="")) == 403
        assert statuses.status_of(Odd(reason=""), {"odd": 410}) == 410

    def test_of_a_refusal_without_a_kind_is_that_of_bad_input(self) -> None:
        assert statuses.status_of(errors.Refusal()) == 400
