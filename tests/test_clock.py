"""Tests begin at one moment, and what must see the clock of the machine is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.utils import timezone

from tests import clock

TESTS = Path(__file__).parent
# Longer than any test may take.
LATEST = clock.BEGUN + timedelta(seconds=300)
HOUR = timedelta(hours=1)


class TestEveryTest:
    def test_begins_at_the_moment_that_is_named(self) -> None:
        """This file asks for no fixture."""
        for told in (clock.moment(), timezone.now(), datetime.now(UTC)):
            assert clock.BEGUN <= told < LATEST

    def test_dates_files_by_the_clock_of_the_machine(self, tmp_path: Path) -> None:
        (tmp_path / "a").touch()
        dated = datetime.fromtimestamp((tmp_path / "a").stat().st_mtime, UTC)
        assert abs(clock.file_moment() - dated) < HOUR


class TestMoment:
    @pytest.fixture
    def _outside_of_tests(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(time_machine.escape_hatch, "is_travelling", lambda: False)

    @pytest.mark.usefixtures("_outside_of_tests")
    def test_is_not_reported_where_no_test_has_set_the_clock(self) -> None:
        with pytest.raises(AssertionError, match="No test"):
            clock.moment()

    @pytest.mark.usefixtures("_outside_of_tests")
    def test_is_reported_where_a_test_sees_the_clock_of_the_machine(self) -> None:
        with clock.real_time():
            clock.moment()
        with pytest.raises(AssertionError):
            clock.moment()


class TestExemptions:
    @pytest.mark.parametrize("path", clock.REAL_TIME)
    def test_name_what_is_there(self, path: str) -> None:
        found = TESTS / path
        assert found.is_dir() if path.endswith("/") else found.is_file()

    def test_are_for_files_folders_and_fixtures_that_are_named(self) -> None:
        assert clock.is_real_time("wire/test_lists.py", [])
        assert clock.is_real_time("hub/lfs/test_services.py", ["db", "s3_store"])
        assert not clock.is_real_time("hub/lfs/test_services.py", ["db"])
        assert not clock.is_real_time("hub/wire/test_lists.py", [])

    @pytest.mark.parametrize("name", sorted(clock.SERVERS))
    def test_name_fixtures_that_are_there(self, request: pytest.FixtureRequest, name: str) -> None:
        assert request._fixturemanager.getfixturedefs(name, request.node)
