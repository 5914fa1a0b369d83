"""Pages by keyset and by position, and the cursors of the first."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.test import RequestFactory

from foundation import paging
from foundation.paging import Position, Size
from hub.accounts.models import Namespace
from tests.factories import hub as make

NOON = datetime(2026, 2, 3, 12, 0, tzinfo=UTC)


class TestSize:
    @pytest.mark.parametrize(
        ("asked", "given"), [(None, 50), (1, 1), (0, 1), (-7, 1), (500, 500), (501, 500)]
    )
    def test_is_bounded(self, asked: int | None, given: int) -> None:
        assert Size(default=50, most=500).of(asked) == given


@pytest.mark.django_db
class TestNewestFirst:
    def test_walks_every_row_once(self) -> None:
        expected = [make.user(f"person{number}").namespace_id for number in range(5)][::-1]
        rows = Namespace.objects.filter(pk__in=expected).order_by("-pk")
        seen: list[int] = []
        before = None
        for _ in range(3):
            page = paging.newest_first(rows, size=2, before=before)
            seen += [row.pk for row in page.rows]
            before = page.next
        assert seen == expected
        assert before is None

    def test_gives_no_next_page_after_a_full_last_one(self) -> None:
        made = [make.user(f"person{number}").namespace_id for number in range(2)]
        page = paging.newest_first(Namespace.objects.filter(pk__in=made).order_by("-pk"), size=2)
        assert (len(page.rows), page.next) == (2, None)


class TestByPosition:
    @pytest.mark.parametrize(
        ("skip", "rows", "has_more"), [(0, [0, 1], True), (2, [2, 3], True), (4, [4], False), (9, [], False)]
    )
    def test_gives_a_part_and_whether_others_follow(
        self, skip: int, rows: list[int], *, has_more: bool
    ) -> None:
        assert paging.by_position(range(5), skip=skip, size=2) == (rows, has_more)

    def test_of_numbered_pages_begins_with_one(self) -> None:
        assert [paging.skip_of(number, 30) for number in (1, 2)] == [0, 30]

    @pytest.mark.parametrize(("number", "rows"), [("2", [2, 3]), ("9", [4]), ("x", [0, 1])])
    def test_of_web_pages_is_forgiving(self, number: str, rows: list[int]) -> None:
        request = RequestFactory().get("/", {"page": number})
        assert list(paging.page_of(request, list(range(5)), 2)) == rows


class TestCursors:
    @pytest.mark.parametrize("pk", [0, 1, 2**63 - 1])
    def test_of_ids_are_read_as_written(self, pk: int) -> None:
        assert paging.read_id(paging.write_id(pk)) == pk

    @pytest.mark.parametrize("cursor", ["", "x", "Yw", "é", "Yy0x", "ZDE", "Yzk5OTk5OTk5OTk5OTk5OTk5OTk5"])
    def test_of_ids_that_nobody_wrote_are_refused(self, cursor: str) -> None:
        with pytest.raises(paging.InvalidCursor):
            paging.read_id(cursor)

    @pytest.mark.parametrize("position", [Position(7, 3), Position(0.5, 3, tier=2), Position(NOON, 3)])
    def test_of_values_are_read_as_written(self, position: Position) -> None:
        is_time = isinstance(position.value, datetime)
        assert paging.read_position(position.render(), is_time=is_time) == position
